// The way to the server for live video: a WebSocket. docs/live.md has the protocol.

import { request } from "../server/request.js";

const OPENING = 15_000; // milliseconds
const HEADER = 12; // bytes before a frame: its number, and when it was taken, in seconds
const LENGTH = 4; // bytes before an answer that comes down with its frame
const TOO_LARGE = 1009; // how a connection ends over a message that is too large
const NO_SOCKET = "This browser has no WebSocket, which live video needs; use a newer one.";
const NO_WAY = "The server does not answer over a WebSocket: a proxy on the way may not let it pass, or the server is gone.";

/**
 * One live video. `onReady(ready)` is called once it may begin, `onAnswer(answer, jpeg)` for each frame (`jpeg`, a
 * Blob, where the server sends the frames), `onWarning(text)`, and `onEnd(text, isProblem)` once, when it is over.
 */
export class LiveConnection {
  isReady = false; // whether frames are wanted

  #socket = null;
  #handlers;
  #isOver = false;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  get isOpen() {
    return !this.#isOver && this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Begin with what is `asked` for; what is wrong is said by `onEnd`. */
  async open(asked) {
    if (!("WebSocket" in window)) return this.#end(NO_SOCKET, true);
    try {
      await request("POST", "v1/session"); // asks for the token where the server wants one, and says what is wrong
    } catch (error) {
      return this.#end(error.message, true);
    }
    if (this.#isOver) return undefined;
    const address = new URL("v1/live", document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    const late = setTimeout(() => this.#end(NO_WAY, true), OPENING);
    let hasOpened = false;
    socket.addEventListener("open", () => {
      hasOpened = true;
      clearTimeout(late);
      socket.send(JSON.stringify(asked));
    });
    socket.addEventListener("message", ({ data }) => this.#isOver || this.#receive(data));
    socket.addEventListener("close", ({ code }) => {
      clearTimeout(late);
      this.#end(hasOpened ? wordsOf(code) : NO_WAY, true);
    });
    return undefined;
  }

  /** Send a frame: `jpeg` is an ArrayBuffer, `seconds` when it was taken. */
  sendFrame(number, seconds, jpeg) {
    const message = new Uint8Array(HEADER + jpeg.byteLength);
    const view = new DataView(message.buffer);
    view.setUint32(0, number, true);
    view.setFloat64(4, seconds, true);
    message.set(new Uint8Array(jpeg), HEADER);
    this.#socket.send(message);
  }

  /** Report something besides: {shown: number}, or {line, zone}. */
  report(message) {
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  close() {
    this.#isOver = true;
    this.#socket?.close();
  }

  #receive(data) {
    const { onReady, onAnswer, onWarning } = this.#handlers;
    if (typeof data !== "string") {
      const length = new DataView(data).getUint32(0, true);
      const text = new TextDecoder().decode(new Uint8Array(data, LENGTH, length));
      onAnswer(JSON.parse(text), new Blob([new Uint8Array(data, LENGTH + length)], { type: "image/jpeg" }));
      return;
    }
    const message = JSON.parse(data);
    if (message.ready) onReady(message.ready);
    else if (message.error) this.#end(message.error.detail, true);
    else if (message.over !== undefined) this.#end(message.over, false);
    else if (message.warning) onWarning(message.warning);
    else onAnswer(message, null);
  }

  #end(text, isProblem) {
    if (this.#isOver) return;
    this.close();
    this.#handlers.onEnd(text, isProblem);
  }
}

function wordsOf(code) {
  if (code === TOO_LARGE) return "The server does not take images of that size; choose a smaller one.";
  return "The connection to the server broke off. Is it still running?";
}
