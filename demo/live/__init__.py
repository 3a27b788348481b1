"""Live: a microphone in, a talking portrait out, over one WebSocket.

`page` draws the tab and asks for consent, `desk` holds the few sessions there may be, `socket` speaks with the browser,
`session` turns sound into marked pictures. The browser's side is `demo/static/live.js`.
"""
