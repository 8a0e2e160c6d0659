<?php
require 'session.php';

$_SESSION = [];
session_destroy();
go('/');
