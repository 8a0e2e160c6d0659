<?php
require 'session.php';

$name = trim($_POST['name'] ?? '');
if ($name === '' || !password_verify($_POST['password'] ?? '', trim(file_get_contents('password.hash')))) {
    http_response_code(403);
    exit('Wrong name or password. <a href="/">Again</a>');
}
session_regenerate_id(true);
$_SESSION['user'] = substr($name, 0, 40);
go('/');
