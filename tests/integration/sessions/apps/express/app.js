// Real Express: login with a new id, counter, logout; on files, on Redis or in memory.
const [, , port, store, where] = process.argv;
const express = require('express');
const session = require('express-session');

async function main() {
  const options = { secret: 'keep me', resave: false, saveUninitialized: false, cookie: { maxAge: 604800000 } };
  if (store === 'file') {
    const FileStore = require('session-file-store')(session);
    options.store = new FileStore({ path: where, retries: 2, logFn: () => {} });
  } else if (store === 'redis') {
    const { createClient } = require('redis');
    const { RedisStore } = require('connect-redis');
    options.store = new RedisStore({ client: await createClient({ url: where }).connect() });
  }
  const app = express();
  app.use(session(options));
  const answer = (request) => (request.session.user ? `${request.session.user} ${request.session.n}` : '- 0');
  app.get('/login', (request, response, next) =>
    request.session.regenerate((error) => {
      if (error) return next(error);
      Object.assign(request.session, { user: request.query.user, n: 0, cart: { 'é半': [1.5, null, 'a"b'] } });
      response.send(answer(request));
    }));
  app.get('/logout', (request, response, next) =>
    request.session.destroy((error) => (error ? next(error) : response.send('- 0'))));
  app.get('/hit', (request, response) => {
    if (request.session.user) request.session.n += 1;
    response.send(answer(request));
  });
  app.get('/', (request, response) => response.send(answer(request)));
  app.listen(Number(port), '127.0.0.1');
}
main();
