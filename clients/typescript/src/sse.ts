/** Server-sent events, read as the WHATWG's HTML standard has it (section 9.2.6). */

export interface ServerEvent {
  name: string;
  data: string;
}

/**
 * Feed it bytes as they come, however they are cut; it gives back the events that are whole by then.
 *
 * An event that the end cuts off is never given out: the standard discards it.
 */
export class EventDecoder {
  // Not fatal: a byte that is no UTF-8 becomes U+FFFD; a byte order mark at the beginning is left out.
  #text = new TextDecoder();
  #line = "";
  #name = "";
  #data: string[] = [];
  #endedWithCr = false;

  push(bytes: Uint8Array): ServerEvent[] {
    const found: ServerEvent[] = [];
    let text = this.#text.decode(bytes, { stream: true });
    if (text === "") return found;
    // A CR ends its line at once; the LF that may follow it in the next chunk belongs to the same line end.
    if (this.#endedWithCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedWithCr = text === "" ? false : text.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    lines[0] = this.#line + lines[0];
    this.#line = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#take(line);
      if (event !== null) found.push(event);
    }
    return found;
  }

  #take(line: string): ServerEvent | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.#name = value;
    if (field === "data") this.#data.push(value);
    // A comment has an empty name; `id` and `retry` are for reconnecting, which a reflection cannot.
    return null;
  }

  #dispatch(): ServerEvent | null {
    const event = this.#data.length === 0 ? null : { name: this.#name || "message", data: this.#data.join("\n") };
    this.#name = "";
    this.#data = [];
    return event;
  }
}
