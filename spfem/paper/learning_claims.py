"""Claims on the metrics themselves: similarity before and after learning, logs, speed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spfem.paper.method_claims import Claim


def similarity_claims(similarity: pd.DataFrame) -> list[Claim]:
    """Matched and unmatched regions, before and after learning."""
    figure = similarity[similarity.source == "STCCL_overview.png"]
    value = figure.set_index(["quantity", "domain"]).value.astype(float)
    rows = []
    for domain in ("spatial", "temporal"):
        before = value["positive_similarity_before", domain]
        common = {"part": "similarity", "source": "STCCL, overview figure", "setting": domain}
        rows.append(
            common
            | {
                "claim": f"{domain}: learning makes matched regions more alike",
                "metric": "gain",
                "published_base": before,
                "published_value": value["positive_similarity_after", domain],
            }
        )
        rows.append(
            common
            | {
                "claim": f"{domain}: matched regions are more alike than unmatched "
                "ones before learning",
                "metric": "contrast before",
                "published_base": value["unmatched_similarity_before", domain],
                "published_value": before,
            }
        )
        rows.append(
            common
            | {
                "claim": f"{domain}: unmatched regions are not alike before learning",
                "metric": "unmatched",
                "published_base": 0.0,
                "published_value": value["unmatched_similarity_before", domain],
            }
        )
    log = similarity[similarity.source == "log/stccl"].set_index("quantity").value.astype(float)
    rows.append(
        {
            "part": "similarity",
            "source": "STCCL, log of the joint run",
            "setting": "joint",
            "claim": "joint: matched regions are more alike than unmatched ones after learning",
            "metric": "contrast after",
            "published_base": log["shuffled_after_train_epoch21"],
            "published_value": log["positive_after_train_epoch21"],
        }
    )
    return rows


def training_claims(logs: pd.DataFrame) -> list[Claim]:
    """What the joint run's log shows, and the transformer's loss against chance."""
    joint = {
        (str(row["split"]), int(row["epoch"])): row
        for row in logs[logs.run == "stccl"].to_dict("records")
    }
    unseen = {epoch: float(row["loss"]) for (s, epoch), row in joint.items() if s == "test_implied"}
    last, middle = max(unseen), min(unseen, key=lambda epoch: unseen[epoch])

    def row(claim: str, metric: str, split: str, column: str, first: int) -> Claim:
        return {
            "part": "training",
            "claim": claim,
            "source": "STCCL, log of the joint run",
            "setting": "train" if split == "train" else "held_out",
            "metric": metric,
            "published_base": float(joint[split, first][column]),
            "published_value": float(joint[split, last][column]),
        }

    alone = logs[logs.run == "compute_sequence_aggregation_with_model_without_mlp"]
    return [
        row("unseen actor: no gain in matched similarity after the first epoch of 22",
            "no gain", "test_implied", "matched", 0),
        row("training actors: matched similarity rises after the first epoch of 22",
            "matched", "train", "matched", 0),
        row("training actors: shuffled similarity falls after the first epoch of 22",
            "shuffled", "train", "shuffled", 0),
        row(f"unseen actor: the loss rises again after half of the epochs ({middle} of {last + 1})",
            "loss, second half", "test_implied", "loss", middle),
        {
            "part": "training",
            "claim": "the temporal transformer learns: its loss is far below chance",
            "source": "STCCL, log of the temporal run without heads",
            "setting": "independent",
            "metric": "transformer",
            "published_base": float(np.log([256, 128, 64, 32]).sum()),
            "published_value": float(alone[alone.split == "train"].loss.iloc[-1]),
        },
    ]  # fmt: skip


def speed_claims(speeds: pd.DataFrame) -> list[Claim]:
    """Speed of the joint runs."""
    joint = speeds[speeds.run.str.startswith("stccl")]
    return [
        {
            "part": "speed",
            "claim": f"{row['run']}: iterations a second of learning, batch {row['batch_size']:g}",
            "source": "STCCL, stamps of the log",
            "published_value": float(row["iterations_per_second"]),
        }
        for row in joint.to_dict("records")
    ]
