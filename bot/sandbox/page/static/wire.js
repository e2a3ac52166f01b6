/** The page's side of the wire: one stream of server-sent events in, small POSTs out. */

import { state, t, tell } from "./store.js";
import { toast } from "./toasts.js";

const MOST_WIRES = 200;

let stream = null;

/** Keeps the stream open while the page is seen: a browser has six connections for all of its tabs. */
export function connect() {
  document.addEventListener("visibilitychange", follow);
  follow();
}

/** Opens or closes the stream; the browser opens it again by itself, and each time it begins with everything. */
function follow() {
  stream?.close();
  stream = null;
  if (document.visibilityState === "hidden") return;
  stream = new EventSource("/stream");
  const listen = (name, take) => stream.addEventListener(name, (event) => take(JSON.parse(event.data)));
  stream.addEventListener("open", () => setConnected(true));
  stream.addEventListener("error", () => setConnected(false));
  listen("snapshot", takeSnapshot);
  listen("message", takeMessage);
  listen("wire", takeWire);
  listen("toast", (answer) => tell("toast", answer));
  listen("queue", (queue) => set("queue", queue));
  listen("switches", (switches) => set("switches", switches));
}

/** Sends an act; shows a toast and returns null where it was refused. */
export async function act(name, fields) {
  let said = "not_connected";
  try {
    const answer = await fetch(`/do/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    const body = await answer.json();
    if (answer.ok) return body;
    said = body.sentence ?? "failed";
  } catch (error) {
    console.warn(name, error);
  }
  toast(t(said), "error");
  return null;
}

function set(name, value) {
  state[name] = value;
  tell(name);
}

function setConnected(connected) {
  if (state.connected !== connected) set("connected", connected);
}

function takeSnapshot(snapshot) {
  const { messages, wires, ...rest } = snapshot;
  const known = state.messages;
  const refusals = wires.filter((wire) => wire.refused).map(refusalOf);
  const missed = [
    ...messages.filter((message) => JSON.stringify(known.get(message.id)) !== JSON.stringify(message)),
    ...refusals.filter(({ id }) => !state.refusals.some((one) => one.id === id)),
  ];
  Object.assign(state, rest, { refusals });
  state.messages = new Map(messages.map((message) => [message.id, message]));
  state.wires = new Map(wires.map((wire) => [wire.id, wire]));
  // Whoever comes back to this tab finds it as it was left, but for what was missed; a sandbox begun anew is another one.
  const same = known.size > 0 && [...known.keys()].every((id) => state.messages.has(id));
  tell("snapshot", same ? missed : null);
  tell("switches");
}

function takeMessage(message) {
  state.messages.set(message.id, message);
  tell("message", message);
}

function takeWire(wire) {
  state.wires.set(wire.id, wire);
  if (state.wires.size > MOST_WIRES) state.wires.delete(state.wires.keys().next().value);
  tell("wire", wire);
  if (!wire.refused) return;
  const refusal = refusalOf(wire);
  state.refusals.push(refusal);
  tell("refusal", refusal);
}

const refusalOf = (wire) => ({ id: wire.id, created: wire.at, ...wire.refused });
