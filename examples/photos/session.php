<?php
// Sessions as PHP ships them: files under the default path.
session_start();

function user(): ?string
{
    return $_SESSION['user'] ?? null;
}

function go(string $where): never
{
    header('Location: ' . $where, true, 302);
    exit;
}
