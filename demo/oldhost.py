"""The host the app lived on: Debian's nginx and php-fpm, sessions in files under PHP's default path.

The default path belongs to the machine, so php-fpm gets a mount namespace of its own in which a folder of
ours lies there.
"""

import shutil
import subprocess
from pathlib import Path
from textwrap import dedent

from demo.parts import start_quietly, wait_for_port

__all__ = ["OldHost"]

_DEFAULT_SESSIONS = "/var/lib/php/sessions"
_PHP_FPM = "php-fpm8.2"


class OldHost:
    """The example app on one host, at `address:port`.

    Its app lies in `folder/www`, its session files in `folder/sessions`.
    """

    def __init__(self, folder: Path, example: Path, address: str, port: int) -> None:
        self.folder, self.address, self.port = folder, address, port
        self.app, self.sessions = folder / "www", folder / "sessions"
        self._processes: list[subprocess.Popen[bytes]] = []
        shutil.copytree(example, self.app)
        uploads = self.app / "uploads"
        uploads.mkdir(exist_ok=True)
        self.sessions.mkdir()
        for path in (uploads, self.sessions):
            shutil.chown(path, "www-data", "www-data")
        self.sessions.chmod(0o1733)
        folder.chmod(0o755)

    def start(self) -> None:
        """Start both servers and wait until they listen."""
        fpm, nginx = self.folder / "fpm.conf", self.folder / "nginx.conf"
        fpm.write_text(self._fpm())
        nginx.write_text(self._nginx())
        private = f'mount --bind "$1" {_DEFAULT_SESSIONS} && exec {_PHP_FPM} -F -y "$2"'
        log = self.folder / "oldhost.log"
        Path(_DEFAULT_SESSIONS).mkdir(parents=True, exist_ok=True)
        self._processes = [
            start_quietly("unshare", "-m", "sh", "-c", private, "_", str(self.sessions), str(fpm), log=log),
            start_quietly("nginx", "-c", str(nginx), "-g", "daemon off;", log=log),
        ]
        wait_for_port(self.address, self.port)

    def stop(self) -> None:
        """End both servers."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(timeout=10)

    def _fpm(self) -> str:
        return dedent(f"""\
            [global]
            error_log = {self.folder}/fpm.log
            [photos]
            user = www-data
            group = www-data
            listen = {self.folder}/fpm.sock
            listen.owner = www-data
            pm = static
            pm.max_children = 12
            """)

    def _nginx(self) -> str:
        return dedent(f"""\
            user www-data;
            worker_processes 1;
            pid {self.folder}/nginx.pid;
            error_log {self.folder}/nginx.log;
            events {{ worker_connections 512; }}
            http {{
              include /etc/nginx/mime.types;
              access_log off;
              client_max_body_size 10m;
              client_body_temp_path {self.folder}/body;
              fastcgi_temp_path {self.folder}/fastcgi;
              server {{
                listen {self.address}:{self.port};
                root {self.app};
                index index.php;
                location / {{ try_files $uri $uri/ =404; }}
                location ~ \\.php$ {{
                  include /etc/nginx/fastcgi_params;
                  fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
                  fastcgi_pass unix:{self.folder}/fpm.sock;
                }}
              }}
            }}
            """)
