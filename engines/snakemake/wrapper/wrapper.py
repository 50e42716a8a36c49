"""Run ``napari-udvd denoise`` as a rule of Snakemake."""

from snakemake.shell import shell

log = snakemake.log_fmt_shell(stdout=True, stderr=True)  # noqa: F821
extra = snakemake.params.get("extra", "")  # noqa: F821

shell(
    "OMP_NUM_THREADS={snakemake.threads} napari-udvd denoise {snakemake.input:q} "
    "-o {snakemake.output:q} --overwrite {extra} {log}"
)
