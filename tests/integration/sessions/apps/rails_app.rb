# Rails' own session middleware (ActionPack 6.1) on Rails' own cache stores, without the rest of Rails.
# Usage: rails_app.rb PORT file|redis FOLDER|REDIS_PORT
require "logger"
require "active_support"
require "active_support/cache"
require "action_controller"
require "action_dispatch"
require "rack/handler/webrick"

port, store, where = ARGV
cache =
  if store == "file"
    ActiveSupport::Cache::FileStore.new(where)
  else
    ActiveSupport::Cache::RedisCacheStore.new(url: "redis://127.0.0.1:#{where}/0")
  end

app = lambda do |env|
  request = ActionDispatch::Request.new(env)
  session = request.session
  case request.path
  when "/login"
    request.reset_session
    session = request.session
    session["user"], session["n"], session["cart"] = request.params["user"], 0, ["\0半", { "deep" => [1.5, nil] }]
  when "/logout"
    request.reset_session
    session = request.session
  when "/hit"
    session["n"] += 1 if session["user"]
  end
  [200, { "Content-Type" => "text/plain" }, [session["user"] ? "#{session["user"]} #{session["n"]}" : "- 0"]]
end
app = ActionDispatch::Session::CacheStore.new(app, cache: cache, key: "_shop_session", expire_after: 3600)
app = ActionDispatch::Cookies.new(app)
quiet = WEBrick::Log.new($stderr, WEBrick::Log::WARN)
Rack::Handler::WEBrick.run(app, Host: "127.0.0.1", Port: port.to_i, Logger: quiet, AccessLog: [])
