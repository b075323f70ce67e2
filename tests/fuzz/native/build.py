"""Builds what `make fuzz` and `make sanitize` run on, in build/sanitize/: needs clang.

lib/    every compiled module with AddressSanitizer, UndefinedBehaviorSanitizer and edge coverage
python  an interpreter with the sanitizers and libFuzzer linked in, where the modules find them
run     starts that interpreter on those modules
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
OUT = ROOT / "build" / "sanitize"

RUN = """\
#!/bin/sh
# Python objects come from malloc, so that the sanitizer sees one that is used after it was freed.
# CPython keeps memory until it exits: what leaks is told by the tests' own counters.
export PYTHONSAFEPATH=1 PYTHONMALLOC=malloc PYTHONPATH={path}
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:$ASAN_OPTIONS
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
exec {python} "$@"
"""


def modules() -> None:
    base = ["--build-base", str(OUT), "--build-lib", str(OUT / "lib")]
    with (OUT / "compile.log").open("w") as log:
        done = subprocess.run(
            [sys.executable, "setup.py", "-q", "build", *base, "--parallel", str(os.cpu_count())],
            cwd=ROOT,
            env={
                **os.environ,
                "CC": os.environ.get("CLANG", "clang"),
                "MESHPROXY_SANITIZE": "address,undefined,fuzzer-no-link",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        sys.exit((OUT / "compile.log").read_text()[-3000:])


def interpreter() -> None:
    fuzzer = f"libclang_rt.fuzzer_no_main-{os.uname().machine}.a"
    for name in (fuzzer, "libclang_rt.fuzzer_no_main.a"):
        archive = subprocess.check_output(["clang", f"-print-file-name={name}"], text=True).strip()
        if os.path.isabs(archive):
            break
    else:
        sys.exit(f"clang has no {fuzzer}")
    variables = sysconfig.get_config_vars()
    folders = [variables["LIBDIR"], variables["LIBPL"]]
    subprocess.run(
        [
            *("clang", "-O1", "-g", "-fsanitize=address,undefined", "-rdynamic"),
            *(str(HERE / "python.c"), "-o", str(OUT / "python")),
            *("-I", sysconfig.get_path("include")),
            *("-Wl,--whole-archive", archive, "-Wl,--no-whole-archive"),
            *(word for folder in folders for word in (f"-L{folder}", f"-Wl,-rpath,{folder}")),
            *(f"-lpython{variables['LDVERSION']}", *variables["LIBS"].split(), "-lstdc++", "-lm"),
        ],
        check=True,
    )


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    modules()
    interpreter()
    path = [OUT / "lib", ROOT, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    run = OUT / "run"
    text = RUN.format(path=":".join(dict.fromkeys(map(str, path))), python=OUT / "python")
    run.write_text(text)
    run.chmod(0o755)
    subprocess.run([run, "-c", "import fuzz_codec, meshproxy._fast.engine"], check=True)


if __name__ == "__main__":
    main()
