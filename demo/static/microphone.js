// The microphone as int16 mono at 16 kHz, in chunks of 20 ms, whatever rate the device has. The listener at the other
// end works in steps of 20 ms: shorter chunks would come no sooner to anything.
const CHUNK = 320;
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / 16000;  // device samples per sample
    this.place = 0;                  // of the next sample, in device samples from the start of `sum`
    this.tail = [];
    this.chunk = new Int16Array(CHUNK);
    this.filled = 0;
  }

  process([input]) {
    if (!input.length) return true;
    const mono = input[0];
    const sound = new Float32Array(this.tail.length + mono.length);
    sound.set(this.tail);
    sound.set(mono, this.tail.length);
    // The mean over one sample's time is filter enough before thinning out: speech above 8 kHz is weak.
    let at = this.place;
    for (; at + this.step <= sound.length; at += this.step) {
      const first = Math.floor(at), last = Math.max(first + 1, Math.floor(at + this.step));
      let sum = 0;
      for (let i = first; i < last; i++) sum += sound[i];
      const value = Math.max(-1, Math.min(1, sum / (last - first)));
      this.chunk[this.filled++] = Math.round(value * 32767);
      if (this.filled === this.chunk.length) {
        this.port.postMessage({ samples: this.chunk, time: currentTime }, [this.chunk.buffer]);
        this.chunk = new Int16Array(CHUNK);
        this.filled = 0;
      }
    }
    const used = Math.floor(at);
    this.tail = sound.slice(used);
    this.place = at - used;
    return true;
  }
}

registerProcessor("microphone", Microphone);
