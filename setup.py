"""The wheel says what is in it: where no compiler has built anything, it is for any platform.

All else is in pyproject.toml.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class Wheel(bdist_wheel):
    """Looks at what was built before the wheel is named."""

    def run(self) -> None:
        self.run_command("build")
        build = self.get_finalized_command("build_ext")
        if not any(Path(file).exists() for file in build.get_outputs()):
            self.distribution.ext_modules = None
            self.root_is_pure, self.py_limited_api = True, False
        super().run()


setup(cmdclass={"bdist_wheel": Wheel})
