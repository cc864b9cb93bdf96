"""The process around vLLM: environment variables that must be set before its import, threads and cores.
Imports no vLLM."""

import os
import sys

from rollout.engine import EngineConfig

CPU_ENVIRONMENT = {
    # In one process the step loop has no pickling; AsyncLLM needs it off too, or vLLM's CPU platform forces a
    # third process.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Without it the first log-prob makes inductor compile for seconds, and needs a C++ compiler.
    "TORCH_COMPILE_DISABLE": "1",
    # vLLM's own binding reserves a core for itself; we pin the whole process instead.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
COMMON_ENVIRONMENT = {
    "VLLM_PLUGINS": "",
    "VLLM_NO_USAGE_STATS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def vllm_environment(config: EngineConfig) -> dict[str, str]:
    """Variables for the process of this engine, e.g. for Ray's ``runtime_env``."""
    # vLLM warns of every choice made here, a dozen lines for each engine.
    environment = COMMON_ENVIRONMENT | {"VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "ERROR")}
    if config.weight_transfer == "ipc":
        # vLLM's IPC handles travel as pickles, which it accepts only so; they come from our own learner.
        environment["VLLM_ALLOW_INSECURE_SERIALIZATION"] = "1"
    if config.device == "cpu":
        environment |= CPU_ENVIRONMENT | {"OMP_NUM_THREADS": str(config.num_threads)}
    elif config.backend == "inprocess":
        environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    return environment


def prepare_process(config: EngineConfig) -> None:
    """Set the environment and pin the process, children included. Call before anything imports vLLM.

    ValueError if vLLM was imported with other settings, or if a core does not exist.
    """
    environment = vllm_environment(config)
    wrong = sorted(k for k, v in environment.items() if os.environ.get(k) != v)
    if "vllm" in sys.modules and wrong:
        raise ValueError(
            f"environment: vLLM is already imported in this process without {', '.join(wrong)}; start a"
            " fresh one"
        )
    os.environ.update(environment)
    if config.cores is not None:
        try:
            os.sched_setaffinity(0, config.cores)
        except OSError as error:
            raise ValueError(
                f"cores: cannot pin to {config.cores}: {error}; this machine has {os.cpu_count()} cores"
            ) from error
