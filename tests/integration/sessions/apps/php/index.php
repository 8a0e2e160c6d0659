<?php
// Login, counter, logout and id regeneration on PHP's own sessions. Objects and NULs on purpose.
class Cart { private $items = ["a\0b", 3]; protected $owner = "zoë"; public $note = "半;|{}"; }

session_start();
$path = strtok($_SERVER['REQUEST_URI'], '?');
if ($path === '/login') {
    session_regenerate_id(true);
    $_SESSION['user'] = $_GET['user'];
    $_SESSION['n'] = 0;
    $_SESSION['cart'] = new Cart();
} elseif ($path === '/logout') {
    $_SESSION = [];
    session_destroy();
    setcookie(session_name(), '', 1);
    echo '- 0';
    return;
} elseif ($path === '/hit' && isset($_SESSION['user'])) {
    $n = $_SESSION['n'];
    usleep((int)($_GET['work'] ?? 0));
    $_SESSION['n'] = $n + 1;
}
if (!isset($_SESSION['user'])) { echo '- 0'; return; }
if (!($_SESSION['cart'] instanceof Cart)) { http_response_code(500); echo 'cart lost'; return; }
echo $_SESSION['user'], ' ', $_SESSION['n'];
