"""The explorer's controls: one widget for each field of the selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from spfem.explore.selection import METRIC_TITLES

if TYPE_CHECKING:
    from spfem.explore.explorer import CorrelationExplorer

LEAST_TEMPERATURE, MOST_TEMPERATURE = -2.0, 0.5  # powers of ten
FIRST_TEMPERATURE = 0.1
PLAY_MILLISECONDS = 120

CLIP_TIPS = {
    "source": ("corpus", "where the clips come from"),
    "actor": ("actor", "who speaks"),
    "sentence": ("sentence", "what is said"),
    "first_emotion": ("first", "emotion of the first clip, on which a place is chosen"),
    "second_emotion": ("second", "emotion of the clip that is compared with it"),
    "metric": ("metric", "which correlations are shown"),
    "level": ("level", "level of the metric: 0 is the finest map"),
}
SLIDER_TIPS = {
    "frame": ("frame", "frame of the first clip"),
    "mismatch_frames": ("mismatch", "frames from the same moment of the second clip to the other"),
    "row": ("row", "row of the chosen place on the map, from the top"),
    "column": ("column", "column of the chosen place on the map, from the left"),
}


class Controls:
    """One widget a field of `Selection`, kept up to an explorer by `bring_up`.

    Attributes:
        widgets: by field of `Selection`; `temperature` is the slider alone.
        as_probability: whether probabilities are shown, with that temperature.
        play: moves the frame slider, in the browser.
    """

    def __init__(self) -> None:
        self.widgets: dict[str, Any] = {}
        for name, (description, tip) in CLIP_TIPS.items():
            self.widgets[name] = ipywidgets.Dropdown(
                description=description, tooltip=tip, layout={"width": "auto", "flex": "1 1 0"}
            )
        for name, (description, tip) in SLIDER_TIPS.items():
            self.widgets[name] = ipywidgets.IntSlider(
                description=description, tooltip=tip, layout={"width": "auto", "flex": "1 1 0"}
            )
        self.widgets["temperature"] = ipywidgets.FloatLogSlider(
            value=FIRST_TEMPERATURE,
            min=LEAST_TEMPERATURE,
            max=MOST_TEMPERATURE,
            step=0.05,
            description="temperature",
            tooltip="of the probabilities: lower is sharper",
            readout_format=".3f",
            layout={"width": "auto", "flex": "1 1 0"},
        )
        self.widgets["threshold"] = ipywidgets.FloatSlider(
            value=-1.0,
            min=-1.0,
            max=1.0,
            step=0.02,
            description="threshold",
            tooltip="places whose similarity is below it are left out of the maps",
            layout={"width": "auto", "flex": "1 1 0"},
        )
        self.widgets["show_weights"] = ipywidgets.Checkbox(
            description="weights",
            tooltip="show the disparity weights over the first face",
            indent=False,
            layout={"width": "90px"},
        )
        self.as_probability = ipywidgets.Checkbox(
            description="probability",
            tooltip="show exp(similarity / temperature), summed to one over places",
            indent=False,
            layout={"width": "105px"},
        )
        self.play = ipywidgets.Play(
            interval=PLAY_MILLISECONDS,
            description="play",
            tooltip="step through the frames of the first clip",
        )
        ipywidgets.jslink((self.play, "value"), (self.widgets["frame"], "value"))
        named = {**self.widgets, "probability": self.as_probability, "play": self.play}
        for name, widget in named.items():
            widget.add_class(f"spfem-explorer-{name.replace('_', '-')}")
            if hasattr(widget, "description"):
                widget.style.description_width = "82px"

    def rows(self) -> list[ipywidgets.HBox]:
        """The controls as rows of a notebook's width."""
        look = self.widgets
        return [
            ipywidgets.HBox([look[name] for name in ("source", "actor", "sentence")]),
            ipywidgets.HBox(
                [look[n] for n in ("first_emotion", "second_emotion", "metric", "level")]
            ),
            ipywidgets.HBox([self.play, look["frame"], look["mismatch_frames"]]),
            ipywidgets.HBox([look["show_weights"], look["row"], look["column"]]),
            ipywidgets.HBox([self.as_probability, look["temperature"], look["threshold"]]),
        ]

    def bring_up(self, explorer: CorrelationExplorer) -> None:
        """Set options, ends and values to those of the explorer.

        Setting them tells observers; whoever observes must know not to answer.
        """
        chosen = explorer.selection
        source = explorer.sources[chosen.source]
        options: dict[str, list[Any]] = {
            "source": list(explorer.sources),
            "actor": list(source.actors()),
            "sentence": list(source.sentences(chosen.actor)),
            "metric": [(METRIC_TITLES[name], name) for name in explorer.metrics()],
            "level": list(range(explorer.level_count)),
        }
        options["first_emotion"] = options["second_emotion"] = list(
            source.emotions(chosen.actor, chosen.sentence)
        )
        for name, offered in options.items():
            if list(self.widgets[name].options) != offered:
                self.widgets[name].options = offered
            self.widgets[name].value = getattr(chosen, name)
        height, width = explorer.map_shape
        others = len(explorer.pair.second.faces) - 1
        ends = {
            "frame": (0, explorer.frame_count - 1),
            "mismatch_frames": (-others, others),
            "row": (1, height - 2),
            "column": (1, width - 2),
        }
        for name, (low, high) in ends.items():
            slider = self.widgets[name]
            if (slider.min, slider.max) != (low, high):
                slider.max = max(high, slider.min)  # never below min, which would be refused
                slider.min, slider.max = low, high
            slider.value = getattr(chosen, name)
        self.play.max = ends["frame"][1]
        for name in ("threshold", "show_weights"):
            self.widgets[name].value = getattr(chosen, name)
        self.as_probability.value = chosen.temperature is not None
        if chosen.temperature is not None:
            self.widgets["temperature"].value = chosen.temperature
        self.widgets["temperature"].disabled = not self.as_probability.value
        places = ("level", "row", "column", "threshold", "show_weights")
        for control in (*(self.widgets[name] for name in places), self.as_probability):
            control.disabled = not explorer.has_places
