"""Images and stack files: written, checked, built, given to the nodes, deployed, waited for.

The stack of an app has a `web` service of several replicas (nginx and php-fpm in one container, user 33)
and, where its files move, a global `cache` service. On a node both share a volume per folder of uploads and
one of sockets: nginx pulls what the node lacks by `cache.sock`, and sends writing requests through
`barrier.sock`, which passes them to the replica's own socket and holds the answer until the remote has what
was written. What nginx serves from the folder it tells the cache by `hits.log`, so that hot files stay.
"""

from .check import Problem, check_dockerfile, check_stack, read_stack
from .converge import Convergence, judge
from .docker import Docker
from .image import BARRIER, CACHE, HITS, SOCKETS, render_image
from .records import FolderOnNode, ImageSpec, StackSpec
from .rollout import roll_out, wait_converged
from .stack import UPLOADS_IN_CACHE, render_stack
from .write import Written, copy_code, folder_digest, write_files

__all__ = [
    "BARRIER",
    "CACHE",
    "HITS",
    "SOCKETS",
    "UPLOADS_IN_CACHE",
    "Convergence",
    "Docker",
    "FolderOnNode",
    "ImageSpec",
    "Problem",
    "StackSpec",
    "Written",
    "check_dockerfile",
    "check_stack",
    "copy_code",
    "folder_digest",
    "judge",
    "read_stack",
    "render_image",
    "render_stack",
    "roll_out",
    "wait_converged",
    "write_files",
]
