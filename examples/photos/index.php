<?php
require 'session.php';

if (user() !== null) {
    $_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
}
// The newest first.
$pictures = array_reverse($_SESSION['pictures'] ?? []);
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Photos</title>
<link rel="stylesheet" href="style.css">
<h1>Photos</h1>
<?php if (user() === null): ?>
<form method="post" action="login.php">
  <label>Name <input name="name" required maxlength="40"></label>
  <label>Password <input name="password" type="password" required></label>
  <button>Log in</button>
</form>
<?php else: ?>
<p>
  Hello <b id="user"><?= htmlspecialchars(user()) ?></b>, you have looked at this page
  <b id="visits"><?= $_SESSION['visits'] ?></b> times.
</p>
<form method="post" action="upload.php" enctype="multipart/form-data">
  <input type="file" name="picture" accept="image/*" required>
  <button>Upload</button>
</form>
<form method="post" action="logout.php"><button>Log out</button></form>
<?php foreach (array_slice($pictures, 0, 20) as $picture): ?>
<a href="<?= $picture ?>"><img src="<?= $picture ?>" width="160" alt=""></a>
<?php endforeach ?>
<?php endif ?>
</html>
