<?php
// Laravel's own session store and handlers (Debian's php-laravel-framework 8.83), without its HTTP kernel:
// the cookie holds the bare id. Usage: LARAVEL=file|redis, WHERE=folder|port.
require '/usr/share/php/Illuminate/autoload.php';

use Illuminate\Cache\Repository;
use Illuminate\Cache\RedisStore;
use Illuminate\Container\Container;
use Illuminate\Filesystem\Filesystem;
use Illuminate\Redis\RedisManager;
use Illuminate\Session\CacheBasedSessionHandler;
use Illuminate\Session\FileSessionHandler;
use Illuminate\Session\Store;

$where = getenv('WHERE');
if (getenv('LARAVEL') === 'file') {
    $handler = new FileSessionHandler(new Filesystem(), $where, 120);
} else {
    $redis = new RedisManager(new Container(), 'phpredis', [
        'options' => ['prefix' => 'laravel_database_'],
        'default' => ['host' => '127.0.0.1', 'port' => (int)$where, 'database' => 0],
    ]);
    $handler = new CacheBasedSessionHandler(new Repository(new RedisStore($redis, 'laravel_cache')), 120);
}
$session = new Store('laravel_session', $handler, $_COOKIE['laravel_session'] ?? null);
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
