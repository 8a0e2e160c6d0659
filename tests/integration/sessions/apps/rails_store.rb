# Rails' own cache stores: `write FOLDER` puts sessions into a FileStore, `read PORT` reads them by RedisCacheStore.
require "active_support"
require "active_support/cache"
require "active_support/core_ext/numeric/time"

action, where = ARGV
keys = (0...50).map { |n| "_session_id:2::" + format("%064x", n) }
if action == "write"
  store = ActiveSupport::Cache::FileStore.new(where)
  keys.each_with_index do |key, n|
    store.write(key, { "user" => "u#{n}", "cart" => ["\0半", "x" * (n * 100)] }, expires_in: n.even? ? 3600 : nil)
  end
  store.write("views/other", "no session")
else
  store = ActiveSupport::Cache::RedisCacheStore.new(url: "redis://127.0.0.1:#{where}/0")
  keys.each_with_index do |key, n|
    value = store.read(key)
    abort "session #{n}: #{value.inspect[0, 80]}" unless value == { "user" => "u#{n}", "cart" => ["\0半", "x" * (n * 100)] }
  end
end
