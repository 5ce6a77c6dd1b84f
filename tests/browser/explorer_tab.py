"""The explorer in a notebook's output: its controls, its picture, its words."""

from __future__ import annotations

from spfem.explore.layout import FACE_BOXES, HEIGHT, WIDTH

# Notes when the picture on the screen changes after an action, by the page's own clock.
WATCH = """() => {
  const canvas = document.querySelector('.spfem-explorer-picture canvas');
  const small = document.createElement('canvas');
  [small.width, small.height] = [440, 365];
  const context = small.getContext('2d', {willReadFrequently: true});
  const digest = () => {
    draw.call(context, canvas, 0, 0, small.width, small.height);
    let sum = 0;
    for (const pixel of new Uint32Array(context.getImageData(0, 0, 440, 365).data.buffer))
      sum = (Math.imul(sum, 31) + pixel) | 0;
    return sum;
  };
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  const watch = window.explorerWatch = {digest, before: 0, acted: null, changed: null};
  CanvasRenderingContext2D.prototype.drawImage = function (...given) {
    draw.apply(this, given);
    if (this.canvas === canvas && watch.acted !== null && watch.changed === null
        && digest() !== watch.before)
      watch.changed = performance.now();
  };
  watch.arm = () => { watch.before = digest(); watch.acted = watch.changed = null; };
  for (const kind of ['keydown', 'pointerdown', 'change', 'input'])
    document.addEventListener(kind, () => { watch.acted ??= performance.now(); }, true);
}"""


class ExplorerTab:
    """Drives the explorer of a notebook that has run.

    Attributes:
        seconds: from each action to the first picture that differs, by the name of the action.
    """

    def __init__(self, notebook):
        self.tab, self.seconds = notebook.tab, {}
        self.tab.wait_for_selector(".spfem-explorer-picture canvas")
        self.tab.wait_for_selector(".spfem-explorer-text:not(:empty)")
        self.tab.evaluate(WATCH)
        self.tab.wait_for_function("explorerWatch.digest() !== 0")

    def part(self, name, inside=""):
        """One of its parts by the last word of its CSS class."""
        return self.tab.locator(f".spfem-explorer-{name} {inside}".strip()).first

    def text(self):
        """The view in words."""
        return " ".join(self.part("text").inner_text().split())

    def value(self, name):
        """What a slider's readout says."""
        return float(self.part(name, ".widget-readout").inner_text())

    def handle(self, name):
        """What moves a slider."""
        return self.part(name, ".noUi-handle")

    def do(self, action, name, *, words_change=True):
        """Act, wait for another picture (and other words), and note how long it took."""
        before = self.text()
        self.tab.evaluate("explorerWatch.arm()")
        action()
        self.tab.wait_for_function("explorerWatch.changed !== null")
        took = self.tab.evaluate("explorerWatch.changed - explorerWatch.acted")
        self.seconds.setdefault(name, []).append(took / 1000)
        if words_change:
            self.wait_for_other_words(before)

    def wait_for_other_words(self, before):
        """Wait until the view in words is not `before`."""
        self.tab.wait_for_function(
            """before => document.querySelector('.spfem-explorer-text').innerText
                .split(/\\s+/).join(' ').trim() !== before""",
            arg=before,
        )

    def settle(self):
        """Wait until the words have stayed the same for half a second."""
        before = ""
        while before != (before := self.text()):
            self.tab.wait_for_timeout(500)

    def press(self, name, key, **more):
        """Press a key on a slider's handle, to which Tab leads as well."""
        self.handle(name).focus()
        self.do(lambda: self.tab.keyboard.press(key), f"{name} by key", **more)

    def drag(self, name, share, **more):
        """Drag a slider's handle to a share of its length."""
        handle, line = (
            self.handle(name).bounding_box(),
            self.part(name, ".noUi-base").bounding_box(),
        )
        y = handle["y"] + handle["height"] / 2

        def act():
            self.tab.mouse.move(handle["x"] + handle["width"] / 2, y)
            self.tab.mouse.down()
            self.tab.mouse.move(line["x"] + share * line["width"], y, steps=4)
            self.tab.mouse.up()

        self.do(act, f"{name} by drag", **more)
        self.settle()

    def pick(self, name, title, **more):
        """Choose from a list."""
        self.do(
            lambda: self.part(name, "select").select_option(label=title), f"{name} chosen", **more
        )

    def click_face(self, panel, right, down, **more):
        """Click a panel of the upper row, at shares of the face from its left and top."""
        canvas = self.part("picture", "canvas")
        canvas.scroll_into_view_if_needed()
        box, face = canvas.bounding_box(), FACE_BOXES[panel]
        x = box["x"] + box["width"] * (face.left + right * face.width) / WIDTH
        y = box["y"] + box["height"] * (face.top + down * face.height) / HEIGHT
        self.do(lambda: self.tab.mouse.click(x, y), "click on a face", **more)

    def latencies(self):
        """Seconds of all actions but those that compute anew or wait on purpose, sorted."""
        quick = (
            seconds
            for name, seconds in self.seconds.items()
            if not name.endswith("chosen") and name != "play"
        )
        return sorted(second for seconds in quick for second in seconds)
