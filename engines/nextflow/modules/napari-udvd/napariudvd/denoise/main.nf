process NAPARIUDVD_DENOISE {
    tag "$meta.id"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "napari-udvd:0.1.0"

    input:
    tuple val(meta), path(movie)

    output:
    tuple val(meta), path("*.ome.tif"), emit: movie
    tuple val("${task.process}"), val('napari-udvd'), eval("napari-udvd --version"), topic: versions, emit: versions_napariudvd

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}_denoised"
    """
    OMP_NUM_THREADS=$task.cpus napari-udvd \\
        denoise \\
        "$movie" \\
        -o "${prefix}.ome.tif" \\
        $args
    """

    stub:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}_denoised"
    """
    echo $args
    touch "${prefix}.ome.tif"
    """
}
