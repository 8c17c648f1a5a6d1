"""Programs that try to do harm, or to get out of their sandbox; each is to do nothing and to fail its own case."""

_EVERY_DESCRIPTOR = "\nfor i in range(3, 99):\n    try:\n"
_PASS = "    except OSError:\n        pass"
HOSTILE = {
    "fork": "import os\nfor _ in range(9):\n    os.fork()\nopen('/tmp/hostile_fork', 'w')",
    "fork_bomb": "import os\nwhile True:\n    os.fork()",
    "spawn": "import subprocess\nsubprocess.run(['touch', '/tmp/hostile_spawn'])",
    "system": "import os\nos.system('touch /tmp/hostile_system')",
    "write_file": "def g():\n    yield\nopen('/tmp/hostile_file', 'w').write('x')",
    "write_by_descriptor": "import os\nos.open('/tmp/hostile_descriptor', os.O_CREAT | os.O_WRONLY)",
    "read_file": "def g():\n    yield\nprint(open('/etc/passwd').read())",
    "list_folder": "import os\nprint(os.listdir('/'))",
    "remove_tree": "import shutil\nshutil.rmtree('/tmp/hostile_tree')",
    "network": "import socket\nsocket.create_connection(('127.0.0.1', 9), 1)",
    "local_datagrams": "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\nprint(a, b)",
    "endless": "while True:\n    pass",
    "endless_in_python": "def g():\n    yield\nwhile True:\n    pass",
    "sleep": "import time, io\ntime.sleep(3600)",
    "memory": "x = 'a' * 10**11",
    "memory_in_python": "def g():\n    yield\nx = []\nwhile True:\n    x.append('a' * 10**7)",
    "output": "def g():\n    yield\nwhile True:\n    print('x' * 10**5)",
    "calls_without_end": "while True:\n    git_status()",
    "kill_parent": "import os\nos.kill(os.getppid(), 9)",
    "signal_by_descriptor": "import fcntl, os\nfcntl.fcntl(0, 8, os.getppid())",
    "native_code": "import ctypes\nctypes.CDLL(None).system(b'touch /tmp/hostile_native')",
    "ignores_signals": "import signal, io\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True:\n    pass",
    "writes_over_connection": f"import os, io{_EVERY_DESCRIPTOR}        os.write(i, b'{{\"end\": true}}\\n')\n{_PASS}",
    "torn_message": f"import os, io{_EVERY_DESCRIPTOR}        os.write(i, b'{{\\xff\\n')\n{_PASS}",
    "exit_hard": "import os, io\nos._exit(0)",
    "deep_recursion": "def f():\n    return f()\nf()",
    "breaks_json": "import json\njson.dumps = lambda *a, **k: '{}'\ndef g():\n    yield\ngit_status()",
}  # fmt: skip
