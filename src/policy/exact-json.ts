/** What the language has and the library files of the compiler have not: the text of a number, and a number by its text. */
const withText = JSON as unknown as {
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown
  rawJSON(text: string): unknown
  isRawJSON(value: unknown): boolean
}

/**
 * Reads JSON of which every number is written again as it was read (ECMAScript 2026 `JSON.rawJSON`): what a double cannot hold, and what
 * JavaScript would write in another way, stays as its text.
 */
export function parseExactly(text: string): unknown {
  return withText.parse(text, (_name, value, { source }) =>
    typeof value !== 'number' || source === undefined || source === String(value)
      ? value
      : withText.rawJSON(source),
  )
}

/** Whether a value is a number that stands as its text. */
export function isNumberText(value: unknown): boolean {
  return withText.isRawJSON(value)
}
