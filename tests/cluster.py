#!/usr/bin/env python3
"""Has a real SLURM, a controller and a node that this script starts on this machine for itself, prune a
toy by apps/cluster/submit.sh: two jobs collect its points together. One of them is asked to stop and puts
itself back into the queue, one is killed with its processes and SLURM starts it again. Then two tasks of a
job of apps/cluster/train.sbatch train one network and are asked to stop, too. Both runs have to end with the
bits of one that a single process did.

    tests/cluster.py [--bin build/release/bin]

Needs Debian's slurmctld, slurmd, slurm-client and munge; touches nothing outside a temporary folder.
"""
import argparse
import getpass
import importlib.util
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PATH = "/usr/sbin:/sbin:" + os.environ["PATH"]
MOST_SECONDS = 300

spec = importlib.util.spec_from_file_location("faults", HERE / "faults/run.py")
faults = importlib.util.module_from_spec(spec)
spec.loader.exec_module(faults)

CONFIGURATION = """
ClusterName=trifold
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={work}/munge.socket,cred_expire=5
StateSaveLocation={work}/controller
SlurmdSpoolDir={work}/node
SlurmctldPidFile={work}/controller.pid
SlurmdPidFile={work}/node.pid
SlurmctldLogFile={work}/controller.log
SlurmdLogFile={work}/node.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Slurm:
    """Its daemons, as this user's processes; gone at the end of the scope."""

    def __init__(self, work):
        self.work, self.daemons = work, []
        for folder in ("controller", "node"):
            (work / folder).mkdir()
        configuration = work / "slurm.conf"
        configuration.write_text(CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], user=getpass.getuser(), work=work,
            controller_port=free_port(), node_port=free_port(), processors=os.cpu_count()))
        self.environment = dict(os.environ, SLURM_CONF=str(configuration), PATH=PATH)
        key = work / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)

    def __enter__(self):
        self.start("munged", "--foreground", "--force", "--socket", self.work / "munge.socket", "--key-file",
                   self.work / "munge.key", "--log-file", self.work / "munge.log", "--pid-file",
                   self.work / "munge.pid", "--seed-file", self.work / "munge.seed")
        self.wait_for("munge's socket", (self.work / "munge.socket").exists)
        self.start("slurmctld", "-D", "-c")
        self.start("slurmd", "-D", "-c", "-N", socket.gethostname().split(".")[0])
        self.wait_for("an idle node", lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"))
        return self

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            daemon.wait()

    def start(self, *command):
        log = (self.work / f"{command[0]}.out").open("w")
        self.daemons.append(subprocess.Popen(command, env=self.environment, stdout=log, stderr=log))

    def ask(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stdout

    def wait_for(self, what, holds):
        end = time.monotonic() + MOST_SECONDS
        while not holds():
            if time.monotonic() > end:
                for log in sorted(self.work.glob("*.log")):
                    sys.stderr.write(f"--- {log.name}\n{log.read_text()[-3000:]}\n")
                sys.exit(f"error: waited {MOST_SECONDS} seconds for {what}")
            time.sleep(0.2)

    def jobs(self):
        """State and number of each job, and of each task of an array, that hasn't ended."""
        return [line.split() for line in self.ask("squeue", "-h", "-r", "-o", "%T %A %F %K").splitlines()]

    def has_restarted(self, job):
        return "Restarts=1" in self.ask("scontrol", "show", "job", job)


def prune_options(work):
    return ["--model", work / "model/model.safetensors", "--data", f"idx:{work / 'images'}", "--batch", "8",
            "--target", "0.5", "--rounds", "3", "--round-epochs", "150", "--finetune-epochs", "2", "--held-out", "8",
            "--bn-batches", "1", "--probe-images", "100"]


def train_options(work):
    return ["--arch", "resnet8", "--data", f"idx:{work / 'images'}", "--batch", "8"]


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    binaries = parser.parse_args().bin.resolve()
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        faults.write_images(work / "images")
        run(binaries / "train", "--epochs", "4", "--threads", "1", "--out", work / "model", *train_options(work))
        run(binaries / "prune", "run", "--out", work / "pruned", "--threads", "1", *prune_options(work))
        run(binaries / "train", "--epochs", "400", "--shards", "4", "--threads", "1", "--out", work / "trained",
            *train_options(work))
        with Slurm(work) as slurm:
            prune(slurm, binaries, work / "pruned_together", prune_options(work))
            train(slurm, binaries, work / "trained_together", ["--epochs", "400", *train_options(work)])
        for name in ("pruned", "trained"):
            wanted, found = faults.content(work / name), faults.content(work / f"{name}_together")
            differing = sorted(file for file in wanted if found.get(file) != wanted[file] and file != "config.toml")
            if differing:
                sys.exit(f"error: {name} not as one process did: {', '.join(differing)}")
            print(f"{name} by the cluster as by one process, {len(wanted)} files")


def prune(slurm, binaries, out, options):
    log = slurm.work / "job-%j.log"
    subprocess.run([ROOT / "apps/cluster/submit.sh", "2", "--output", log, "--time=10", "--", "--out", out, *options],
                   env=dict(slurm.environment, TRIFOLD_PRUNE=str(binaries / "prune")), check=True)

    def collecting():
        return [job for job in slurm.jobs() if job[0] == "RUNNING" and job[3] != "N/A"]

    slurm.wait_for("two jobs that collect", lambda: len(collecting()) == 2 and len(list(out.glob("steps/*"))) > 2)
    stopped, killed = (job[1] for job in collecting())
    slurm.ask("scancel", "--batch", "--signal=TERM", stopped)
    slurm.wait_for("the first back in the queue", lambda: slurm.has_restarted(stopped))
    slurm.ask("scontrol", "requeue", killed)  # as when its node is taken away: its processes are killed
    slurm.wait_for("all jobs to end", lambda: not slurm.jobs())
    if not slurm.has_restarted(killed):
        sys.exit(f"error: job {killed} wasn't started again")


def train(slurm, binaries, out, options):
    job = slurm.ask("sbatch", "--parsable", "--ntasks=2", "--time=10", "--output", slurm.work / "job-%j.log",
                    f"--export=ALL,TRIFOLD_TRAIN={binaries / 'train'}", ROOT / "apps/cluster/train.sbatch", "--out", out,
                    *options).strip()
    slurm.wait_for("a few epochs", lambda: (out / "metrics.jsonl").exists() and (out / "summary.csv").exists())
    slurm.ask("scancel", "--signal=TERM", job)  # as a minute before its time is up
    slurm.wait_for("the training back in the queue", lambda: slurm.has_restarted(job))
    slurm.wait_for("the training to end", lambda: not slurm.jobs())
    # An error ends a job for good.
    wrong = slurm.ask("sbatch", "--parsable", "--ntasks=2", "--time=10", "--output", slurm.work / "job-%j.log",
                      f"--export=ALL,TRIFOLD_TRAIN={binaries / 'train'}", ROOT / "apps/cluster/train.sbatch", "--out",
                      slurm.work / "wrong", *options, "--init", slurm.work / "none.safetensors").strip()
    slurm.wait_for("the job without its model to end", lambda: not slurm.jobs())
    if "ExitCode=3:0" not in slurm.ask("scontrol", "show", "job", wrong) or slurm.has_restarted(wrong):
        sys.exit(f"error: job {wrong} didn't end with exit code 3")


if __name__ == "__main__":
    main()
