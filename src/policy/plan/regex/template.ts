/**
 * The pattern of a template: text as it is, patterns between two delimiters. Undefined where delimiters do not pair, or `isValid` says
 * of a pattern that it is none.
 */
export function patternOfTemplate(
  template: string,
  delimiters: readonly [begin: string, end: string],
  isValid: (pattern: string) => boolean,
): string | undefined {
  const [begin, end] = delimiters
  const parts = ['^']
  let [level, literalFrom, patternFrom] = [0, 0, 0]
  for (let at = 0; at < template.length; at += 1) {
    if (template[at] === begin) {
      level += 1
      if (level === 1) {
        parts.push(quoted(template.slice(literalFrom, at)))
        patternFrom = at + 1
      }
    } else if (template[at] === end) {
      level -= 1
      if (level < 0) return undefined
      if (level > 0) continue
      const pattern = template.slice(patternFrom, at)
      if (!isValid(`^${pattern}$`)) return undefined
      parts.push(`(${pattern})`)
      literalFrom = at + 1
    }
  }
  return level === 0 ? [...parts, quoted(template.slice(literalFrom)), '$'].join('') : undefined
}

/** Go's `QuoteMeta`. */
function quoted(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, String.raw`\$&`)
}
