/** A message is one line: the ends of lines in JSON stand between its tokens, and mean no more than a space. */
export function oneLine(text: Buffer): Buffer {
  if (!text.includes(0x0a) && !text.includes(0x0d)) return text
  return Buffer.from(text.map((octet) => (octet === 0x0a || octet === 0x0d ? 0x20 : octet)))
}

/** Nothing but spaces, which is no message and no fault. */
export function isBlank(line: Buffer): boolean {
  return line.every((octet) => octet === 0x20 || octet === 0x09 || octet === 0x0d)
}
