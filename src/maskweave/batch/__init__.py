"""Many inputs, one job: on all cores of a machine or on a cluster, to be interrupted and gone on with at any time."""
