<?php
require 'session.php';

const KINDS = ['image/jpeg' => 'jpg', 'image/png' => 'png', 'image/gif' => 'gif'];

if (user() === null) {
    http_response_code(403);
    exit('Log in first. <a href="/">Here</a>');
}
$file = $_FILES['picture'] ?? null;
if ($file === null || $file['error'] !== UPLOAD_ERR_OK) {
    http_response_code(400);
    exit('No picture arrived. <a href="/">Again</a>');
}
$kind = KINDS[mime_content_type($file['tmp_name'])] ?? null;
if ($kind === null) {
    http_response_code(415);
    exit('Only JPEG, PNG and GIF. <a href="/">Again</a>');
}
$path = 'uploads/' . bin2hex(random_bytes(12)) . '.' . $kind;
if (!move_uploaded_file($file['tmp_name'], __DIR__ . '/' . $path)) {
    http_response_code(500);
    exit('The picture could not be kept.');
}
$_SESSION['pictures'][] = '/' . $path;
go('/?new=/' . $path);
