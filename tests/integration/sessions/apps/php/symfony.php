<?php
// Symfony's own session and handlers (Debian's php-symfony-http-foundation). SYMFONY=file|redis, WHERE=folder|port.
require '/usr/share/php/Symfony/Component/HttpFoundation/autoload.php';

use Symfony\Component\HttpFoundation\Session\Session;
use Symfony\Component\HttpFoundation\Session\Storage\Handler\NativeFileSessionHandler;
use Symfony\Component\HttpFoundation\Session\Storage\Handler\RedisSessionHandler;
use Symfony\Component\HttpFoundation\Session\Storage\NativeSessionStorage;

if (getenv('SYMFONY') === 'file') {
    $handler = new NativeFileSessionHandler(getenv('WHERE'));
} else {
    $redis = new Redis();
    $redis->connect('127.0.0.1', (int)getenv('WHERE'));
    $handler = new RedisSessionHandler($redis);
}
$session = new Session(new NativeSessionStorage([], $handler));
$session->start();
$path = strtok($_SERVER['REQUEST_URI'], '?');
if ($path === '/login') {
    $session->migrate(true);
    $session->set('user', $_GET['user']);
    $session->set('n', 0);
    $session->set('cart', ["a\0b", '半;|{}']);
} elseif ($path === '/logout') {
    $session->invalidate();
} elseif ($path === '/hit' && $session->has('user')) {
    $session->set('n', $session->get('n') + 1);
}
$answer = $session->has('user') ? $session->get('user') . ' ' . $session->get('n') : '- 0';
$session->save();
echo $answer;
