// The browser's side of the live page: microphone -> WebSocket -> canvas. See demo/live/socket.py for the messages.
(() => {
  const RATE = 16000, FRAME = 640, CHUNK = 320, HALF = 20;  // samples a second, a picture, a message; ms of half a picture
  const RETRIES = 5, RETRY_MS = 800, SAVED_CHUNKS = 1500;
  let live = null;  // the running session

  const board = () => document.querySelector("#live-board");
  const words = () => JSON.parse(board().dataset.words);
  const tell = (text) => { const line = board()?.querySelector(".live-status"); if (line) line.textContent = text; };
  const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

  // "" or the reason why this browser cannot do it
  function lacks() {
    const w = words();
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) return w.insecure;
    if (!window.AudioWorkletNode || !window.createImageBitmap || !window.WebSocket) return w.old;
    return "";
  }

  async function start(ticket) {
    if (!ticket) return;
    stop(false);
    const problem = lacks();
    if (problem) return tell(problem);
    const session = { ticket, heard: 0, times: [], delays: [], shown: 0, recent: [], retries: 0, over: false, look: null };
    live = session;
    board().dataset.state = "starting";
    tell(words().asking);
    try {
      session.stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
    } catch (error) {
      live = null;
      board().dataset.state = "idle";
      return tell(error.name === "NotFoundError" ? words().none : words().denied);
    }
    if (live !== session) return release(session);
    session.inside = (session.stream.getAudioTracks()[0].getSettings().latency || 0) * 1000;  // ms in the device
    session.context = new AudioContext({ latencyHint: "interactive" });
    await session.context.audioWorklet.addModule("page/microphone.js");
    if (live !== session) return release(session);
    const source = session.context.createMediaStreamSource(session.stream);
    session.worklet = new AudioWorkletNode(session.context, "microphone", { numberOfOutputs: 0, channelCount: 1,
      channelCountMode: "explicit" });
    session.worklet.port.onmessage = (event) => send(session, event.data.samples);
    session.delay = session.context.createDelay(2);
    session.ear = session.context.createGain();
    session.ear.gain.value = 0;
    source.connect(session.worklet);
    source.connect(session.delay).connect(session.ear).connect(session.context.destination);
    session.context.resume();
    monitor();
    connect(session);
  }

  function connect(session) {
    const url = new URL("live", location.href.replace(/[?#].*/, ""));
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("ticket", session.ticket);
    url.searchParams.set("lang", document.documentElement.lang);
    const socket = session.socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => typeof data === "string" ? hear(session, JSON.parse(data)) : show(session, data);
    socket.onclose = () => {
      session.ready = false;
      if (session.over || live !== session) return;
      if (++session.retries > RETRIES) return end(session, words().lost, 0);
      tell(words().again);
      setTimeout(() => live === session && connect(session), RETRY_MS);
    };
  }

  function hear(session, message) {
    if ("ready" in message) {
      session.heard = message.ready;
      session.times = [];
      session.ready = true;
      session.retries = 0;
      session.ends = performance.now() + message.left * 1000;
      board().dataset.state = "live";
      if (session.look) session.socket.send(JSON.stringify({ look: session.look }));
      tell(words().speak);
    }
    if (message.notice) tell(message.notice);
    if ("over" in message) end(session, message.over, message.recorded);
  }

  function send(session, samples) {
    if (!session.ready || session.socket.readyState !== WebSocket.OPEN) return;
    if (session.socket.bufferedAmount > RATE) return;  // half a second waits: the line is too slow, leave sound out
    session.heard += samples.length;
    session.times.push([session.heard, performance.now()]);
    if (session.times.length > SAVED_CHUNKS) session.times.shift();
    session.socket.send(samples.buffer);
  }

  // when the sample with this number came from the microphone, milliseconds
  function spoken(session, sample) {
    const times = session.times;
    if (!times.length) return null;
    const [last, when] = times[times.length - 1];
    const place = Math.ceil((sample - last) / CHUNK) + times.length - 1;
    const near = times[Math.max(0, Math.min(times.length - 1, place))];
    return near[1] - (near[0] - sample) / RATE * 1000 - session.inside;
  }

  // Pictures are decoded side by side and shown in the order in which they came: a later one that is ready sooner
  // would push the one before it out.
  function show(session, data) {
    const frame = new DataView(data).getUint32(0, true);
    const decoded = createImageBitmap(new Blob([new Uint8Array(data, 4)], { type: "image/jpeg" })).catch(() => null);
    session.line = (session.line ?? Promise.resolve()).then(async () => {
      const bitmap = await decoded;
      if (session.socket.readyState === WebSocket.OPEN) session.socket.send(JSON.stringify({ shown: frame }));
      if (!bitmap || live !== session || frame < session.shown) return bitmap?.close();
      session.shown = frame;
      requestAnimationFrame(() => paint(session, bitmap, frame));
    });
  }

  function paint(session, bitmap, frame) {
    const canvas = board()?.querySelector("canvas");
    if (!canvas) return stop(true);
    canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const now = performance.now(), middle = spoken(session, (frame + 0.5) * FRAME);
    session.recent.push(now);
    while (session.recent[0] < now - 2000) session.recent.shift();
    // A voice that comes back through the loudspeaker passes the device twice, whatever the delay line adds.
    const { baseLatency = 0, outputLatency = 0 } = session.context, twice = session.inside + (baseLatency + outputLatency) * 1000;
    if (middle !== null) {
      session.delays.push(now - middle);
      const heard = twice + session.delay.delayTime.value * 1000;
      if (session.log) session.log.push([frame, now - middle, now, now + HALF - middle - heard]);
      if (session.delays.length > 50) session.delays.shift();
    }
    if (frame % 10) return;
    const delay = median(session.delays), left = Math.max(0, Math.round((session.ends - now) / 1000));
    const wait = Math.max(0, delay + HALF - twice) / 1000;  // a picture is seen for a frame: its middle counts
    session.delay.delayTime.linearRampToValueAtTime(wait, session.context.currentTime + 0.2);
    const facts = words().facts.replace("{ms}", Math.round(delay)).replace("{fps}", Math.round(session.recent.length / 2))
      .replace("{left}", left);
    board().querySelector(".live-facts").textContent = facts;
  }

  function end(session, sentence, recorded) {
    session.over = true;
    release(session);
    if (live === session) live = null;
    const place = board();
    if (!place) return;
    place.dataset.state = "over";
    place.dataset.recorded = recorded;
    tell([sentence, recorded >= 1 ? words().recorded.replace("{seconds}", recorded.toLocaleString(document.documentElement.lang)) : words().stopped].filter(Boolean).join(" "));
    document.querySelector("#live-ended button, button#live-ended")?.click();  // lets the page offer what comes next
  }

  function release(session) {
    session.stream?.getTracks().forEach((track) => track.stop());
    session.context?.close().catch(() => {});
    if (session.socket?.readyState <= WebSocket.OPEN) session.socket.close();
  }

  function stop(ask) {
    const session = live;
    if (!session) return;
    if (ask && session.socket?.readyState === WebSocket.OPEN) {
      session.socket.send(JSON.stringify({ stop: true }));
      tell(words().stopping);
      setTimeout(() => live === session && end(session, "", 0), 8000);
      return;
    }
    session.over = true;
    release(session);
    live = null;
  }

  function look(...values) {
    if (!live) return;
    live.look = values;
    clearTimeout(live.later);
    live.later = setTimeout(() => {
      if (live?.ready) live.socket.send(JSON.stringify({ look: live.look }));
    }, 40);
  }

  // one's own voice, as late as the picture: lips and sound agree
  function monitor() {
    const box = document.querySelector("#live-hear input");
    if (live?.ear) live.ear.gain.value = box?.checked ? 1 : 0;
  }

  window.candorLive = { start, stop: () => stop(true), look, monitor, lacks, session: () => live };
  addEventListener("pagehide", () => stop(false));
})();
