// Playing a clip's sound; `onFrame` hears each frame that sounds, `onEnd` that nothing does any more.

export class Player {
  constructor(onFrame, onEnd) {
    Object.assign(this, { onFrame, onEnd, playing: null, stop: () => {} });
  }

  play(clip, frame) {
    this.stop();
    const context = (this.context ??= new AudioContext());
    const buffer = context.createBuffer(1, Math.max(clip.sound.length, 1), clip.sample_rate);
    buffer.copyToChannel(Float32Array.from(clip.sound, (value) => value / 32767), 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(context.destination);
    const begin = frame < clip.frames - 1 ? frame / clip.fps : 0, start = context.currentTime;
    context.resume();
    source.start(0, begin);
    this.playing = clip;
    this.stop = () => {
      source.disconnect();
      Object.assign(this, { playing: null, stop: () => {} });
      this.onEnd();
    };
    const tick = () => {
      if (this.playing !== clip) return;
      const now = Math.floor((begin + context.currentTime - start) * clip.fps);
      if (now >= clip.frames) return this.stop();
      this.onFrame(now);
      requestAnimationFrame(tick);
    };
    tick();
  }
}
