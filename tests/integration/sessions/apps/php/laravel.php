<?php
// Laravel's own session store and handlers (Debian's php-laravel-framework 8.83), without its HTTP kernel:
// the cookie holds the bare id. Usage: LARAVEL=file|redis|mysql|postgresql, WHERE=folder|port|{"port", "password"},
// ENCRYPT=1 for encrypted sessions.
require '/usr/share/php/Illuminate/autoload.php';

use Illuminate\Cache\Repository;
use Illuminate\Cache\RedisStore;
use Illuminate\Container\Container;
use Illuminate\Database\Capsule\Manager;
use Illuminate\Encryption\Encrypter;
use Illuminate\Filesystem\Filesystem;
use Illuminate\Redis\RedisManager;
use Illuminate\Session\CacheBasedSessionHandler;
use Illuminate\Session\DatabaseSessionHandler;
use Illuminate\Session\EncryptedStore;
use Illuminate\Session\FileSessionHandler;
use Illuminate\Session\Store;

$where = getenv('WHERE');
$kind = getenv('LARAVEL');
if ($kind === 'file') {
    $handler = new FileSessionHandler(new Filesystem(), $where, 120);
} elseif ($kind !== 'redis') {
    $server = json_decode($where, true);
    $database = new Manager();
    $database->addConnection([
        'driver' => $kind === 'mysql' ? 'mysql' : 'pgsql', 'host' => '127.0.0.1', 'port' => $server['port'],
        'database' => 'shop', 'username' => 'shop', 'password' => $server['password'], 'charset' => 'utf8',
    ]);
    $connection = $database->getConnection();
    $connection->statement('create table if not exists sessions (id varchar(255) primary key, user_id bigint, '
        . 'ip_address varchar(45), user_agent text, payload text not null, last_activity integer not null)');
    $handler = new DatabaseSessionHandler($connection, 'sessions', 120);
} else {
    $redis = new RedisManager(new Container(), 'phpredis', [
        'options' => ['prefix' => 'laravel_database_'],
        'default' => ['host' => '127.0.0.1', 'port' => (int)$where, 'database' => 0],
    ]);
    $handler = new CacheBasedSessionHandler(new Repository(new RedisStore($redis, 'laravel_cache')), 120);
}
$id = $_COOKIE['laravel_session'] ?? null;
$session = getenv('ENCRYPT')
    ? new EncryptedStore('laravel_session', $handler, new Encrypter(str_repeat('k', 32), 'AES-256-CBC'), $id)
    : new Store('laravel_session', $handler, $id);
$session->start();
$path = strtok($_SERVER['REQUEST_URI'], '?');
if ($path === '/login') {
    $session->migrate(true);
    $session->put(['user' => $_GET['user'], 'n' => 0, 'cart' => ["a\0b", '半;|{}']]);
} elseif ($path === '/logout') {
    $session->invalidate();
} elseif ($path === '/hit' && $session->has('user')) {
    $session->put('n', $session->get('n') + 1);
}
$session->save();
setcookie('laravel_session', $session->getId());
echo $session->has('user') ? $session->get('user') . ' ' . $session->get('n') : '- 0';
