# SPDX-License-Identifier: Apache-2.0
"""fin.profile(): where the time of a block goes, kernel by kernel."""
import os
import tempfile

from . import _core


class profile:
    """Records every kernel that runs within the block, which is computed completely before the block ends.

        with fin.profile() as p:
            step(x, y)
        print(p)                     # a table, longest total first
        p.save("trace.json")         # for chrome://tracing or Perfetto

    `p.rows()` gives the table as dicts: name, count, total_us, min_us, max_us (microseconds) and bytes read and written.
    """

    def __enter__(self):
        _core.sync()
        _core.profile_start()
        return self

    def __exit__(self, *error):
        try:
            if error[0] is None:
                _core.sync()
        finally:
            _core.profile_stop()
            self._rows, self._trace, self.dropped = _core.profile_totals(), _core.profile_trace(), _core.profile_dropped()

    def _finished(self):
        if not hasattr(self, "_rows"):
            raise RuntimeError("profile: the block has not ended yet; read the profile after it")

    def rows(self):
        self._finished()
        return self._rows

    def save(self, path):
        """Writes a Chrome trace (JSON); the file appears whole or not at all."""
        self._finished()
        folder = os.path.dirname(os.path.abspath(os.fspath(path)))
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
            file.write(self._trace)
        os.replace(file.name, path)

    def __str__(self):
        self._finished()
        lines = [f"{'kernel':<48} {'count':>7} {'total us':>12} {'min us':>10} {'max us':>10} {'GB/s':>7}"]
        for row in self._rows:
            rate = f"{row['bytes'] / row['total_us'] / 1e3:7.1f}" if row["bytes"] and row["total_us"] else " " * 7
            lines.append(f"{row['name'][:48]:<48} {row['count']:>7} {row['total_us']:>12.1f} {row['min_us']:>10.1f} {row['max_us']:>10.1f} {rate}")
        return "\n".join(lines)
