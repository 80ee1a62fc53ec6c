"""Keys of the job: what it does, on how many processes, where it writes, and what it asks SLURM for."""

from __future__ import annotations

from rhovideo.config.extension.registries import LOGGERS as _LOGGERS
from rhovideo.config.schema.definition import Key

# A key is a line or two, so that a section can be read at a glance.
# fmt: off

TASKS = {
    "pretrain": "learn from clips",
    "linear": "train a classifier on a frozen encoder",
    "finetune": "train a classifier and its encoder",
    "detection": "score the actions of people in boxes",
    "detection_test": "mean average precision of a detector",
    "test": "multi-view accuracy",
    "knn": "nearest neighbours and retrieval",
    "logistic": "logistic regression on features",
    "extract": "features to files",
}

TOP = (
    Key("TASK", "", "What the job does.", choices=TASKS, released="Its ssl is pretrain with LOSS_FORM released; its "
        "ssl_eval_... is detection where boxes are asked for, linear where "
        "MODEL.DETACH_FINAL_FC is True, else finetune. Both words are read here."),
    Key("PLUGINS", [], "Modules to import before the configuration is checked, which register methods, encoders, data "
        "sets and keys of your own. They are found where Python finds modules, next to the file that names them, and "
        "in the folder that the command is started in.", "str list", ours=True),
    Key("NUM_GPUS", -1, "GPUs of one machine, one process each. 0 runs on the CPU; -1 takes all there are, or the CPU "
        "where there is none.", at_least=-1, released="The default is 1."),
    Key("NUM_CPU_PROCESSES", 1, "Processes of one machine when it runs on the CPU.", at_least=1, ours=True),
    Key("NUM_SHARDS", 1, "Machines of one job.", at_least=1),
    Key("SHARD_ID", 0, "The number of this machine, from 0.", at_least=0),
    Key("OUTPUT_DIR", "outputs/run", "Folder for checkpoints, logs and results.", released="The default is the current "
        "folder."),
    Key("RNG_SEED", 1, "Seed of every random draw.", at_least=0, infinite=True),
    Key("LOG_PERIOD", 10, "Steps between two log lines.", at_least=1),
    Key("LOG_DIAGNOSTICS", False, "Pre-training: also log what shows why a method does not learn: alignment, "
        "uniformity and effective rank of the embeddings, the encoder's share of the gradient, and for SimCLR and MoCo "
        "how often the positive is nearest.",
        ours=True),
    Key("LOG_MODEL_INFO", True, "Log the size of the encoder and of its heads, and write it to model_size.json."),
    Key("DIST_BACKEND", "nccl", "What processes on GPUs talk through; on the CPU it is gloo.",
        choices=("nccl", "gloo")),
    Key("DIST_TIMEOUT_MINUTES", 30.0, "Minutes that a process waits for the others before it gives up.", above=0,
        ours=True),
)

DATA_LOADER = (
    Key("DATA_LOADER.NUM_WORKERS", None, "Worker processes of each process of the job, which decode videos. Empty: 8, "
        "or as many as it has CPU cores where these are fewer.", "int", at_least=0, released="The default is 8."),
    Key("DATA_LOADER.PIN_MEMORY", True, "Page-locked batches, for fast copies to a GPU."),
    Key("DATA_LOADER.PREFETCH_FACTOR", 2, "Batches that each worker prepares ahead.", at_least=1, ours=True),
)

TENSORBOARD = (
    Key("TENSORBOARD.ENABLE", False, "Write TensorBoard's files."),
    Key("TENSORBOARD.LOG_DIR", "", "Their folder in OUTPUT_DIR. Empty: tensorboard."),
)

LOGGERS = (
    Key("LOGGERS.USE", [], "Where a training's numbers and pictures go besides the log. A logger that fails ends with "
        "one warning, and the run goes on.", "str list", choices=_LOGGERS, ours=True),
    Key("LOGGERS.PROJECT", "rhovideo", "The project of W&B, or the experiment of MLflow.", ours=True),
    Key("LOGGERS.NAME", "", "The run's name there. Empty: its folder, in a study with the cell.", ours=True),
    Key("LOGGERS.TAGS", [], "Tags of the run there. In a study the cell is one more.", "str list", ours=True),
)

SLURM = (
    Key("SLURM.PARTITION", "", "As `sinfo` lists them.", ours=True, flag="--partition", metavar="NAME",
        sbatch="partition"),
    Key("SLURM.ACCOUNT", "", "The account that pays; `sacctmgr show assoc user=$USER` lists yours.", ours=True,
        flag="--account", metavar="NAME", sbatch="account"),
    Key("SLURM.QOS", "", "Quality of service; the same command lists yours.", ours=True, flag="--qos", metavar="NAME",
        sbatch="qos"),
    Key("SLURM.NODES", 0, "Machines of a job, the same number as NUM_SHARDS. Each has TRAIN.BATCH_SIZE videos a step.",
        at_least=0, ours=True, flag="--nodes", metavar="N", sbatch="nodes"),
    Key("SLURM.GPUS_PER_NODE", -1, "GPUs of a node, the same number as NUM_GPUS; one task each. 0 runs on the CPU, -1 "
        "takes NUM_GPUS.", at_least=-1, ours=True, flag="--gpus-per-node", metavar="N", sbatch="gpus-per-node"),
    Key("SLURM.TASKS_PER_NODE", 0, "On the CPU: processes of a node, the same number as NUM_CPU_PROCESSES.", at_least=0,
        ours=True, flag="--tasks-per-node", metavar="N", sbatch="ntasks-per-node"),
    Key("SLURM.CPUS_PER_TASK", 0, "Cores of each task, which its data workers (DATA_LOADER.NUM_WORKERS) share.",
        at_least=0, ours=True, flag="--cpus-per-task", metavar="N", sbatch="cpus-per-task"),
    Key("SLURM.MEM", "", "Memory of a node, such as 64G.", ours=True, flag="--mem", metavar="SIZE", sbatch="mem"),
    Key("SLURM.TIME", "", "Limit such as 1-00:00:00, 4:00:00, or minutes. A job that reaches it is requeued and goes "
        "on.", ours=True, flag="--time", metavar="LIMIT", sbatch="time"),
    Key("SLURM.CONSTRAINT", "", "Features that nodes must have.", ours=True, flag="--constraint", metavar="FEATURES",
        sbatch="constraint"),
    Key("SLURM.EXCLUDE", "", "Nodes that are not to be used, such as node[3-5].", ours=True, flag="--exclude",
        metavar="NODES", sbatch="exclude"),
    Key("SLURM.COMMENT", "", "A comment for people who look at the queue.", ours=True, flag="--comment", metavar="TEXT",
        sbatch="comment"),
    Key("SLURM.NAME", "", "The job's name in the queue. Empty: the configuration's file name.", ours=True,
        flag="--name", metavar="NAME", sbatch="job-name"),
    Key("SLURM.ARGS", [], 'Any other options of sbatch, such as ["reservation=video", "exclusive"]. Those of '
        'cluster.yaml are kept; "key=" takes one away. The flag may be repeated.', "str list", ours=True,
        flag="--slurm-arg", metavar="KEY=VALUE"),
    Key("SLURM.DROP", [], 'Options of sbatch that are left out of the script, where a site forbids them, such as '
        '["ntasks-per-node"].', "str list", ours=True),
    Key("SLURM.GRACE_SECONDS", 120, "Seconds before its time limit at which a job is asked to write a checkpoint and "
        "stop.", at_least=0, ours=True, sbatch="signal"),
    Key("SLURM.MAX_FAILURES", 3, "How often a job is requeued after failures in a row, each with progress since the "
        "one before. A preemption begins the count anew.", at_least=0, ours=True),
    Key("SLURM.MAX_JOBS", 0, "Cells of each stage of a sweep that run at a time. 0: as many as the cluster has room "
        "for.", at_least=0, ours=True, flag="--max-jobs", metavar="N"),
    Key("SLURM.SETUP", [], 'Shell lines before the job, on its first node, such as ["module load cuda/12"].',
        "str list", ours=True),
)
