"""Two kinds of pyribs' emitters over one archive: any scheduler of pyribs takes part."""

from ribs.emitters import GaussianEmitter, IsoLineEmitter
from ribs.schedulers import Scheduler

from baselines.third_party.pyribs_schedulers import Ribs, grid_archive
from baselines.third_party.starts import centre


def make(spec, seed, batch_size=18):
    """Gaussian and line mutations, half of an iteration each."""
    archive = grid_archive(spec, seed)
    settings = {"x0": centre(spec), "batch_size": batch_size}
    gaussian = GaussianEmitter(archive, sigma=0.5, seed=seed, **settings)
    line = IsoLineEmitter(archive, iso_sigma=0.1, line_sigma=0.2, seed=seed + 1, **settings)
    return Ribs(Scheduler(archive, [gaussian, line]))
