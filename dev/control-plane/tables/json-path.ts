import { isJsonObject } from '../json-object.ts'

type Step = (values: readonly unknown[]) => readonly unknown[]

/** One step: `.name`, `['name']`, `[0]`, `[*]` or `[?(@.name=="text")]`. */
const stepPattern =
  /^(?:\.(?<name>(?:\\.|[^.[\\])+)|\['(?<quoted>[^']*)'\]|\[(?<index>-?\d{1,6})\]|(?<all>\[\*\])|\[\?\(@\.(?<key>[\w.]+)\s*==\s*(?<quote>["'])(?<text>[^"']*)\k<quote>\)\])/

/**
 * The JSON paths of printer columns, as far as they are simple: CustomResourceDefinition allows no others.
 * Undefined for a path that is none.
 */
export function parseJsonPath(text: string): ((value: unknown) => readonly unknown[]) | undefined {
  const steps: Step[] = []
  let rest = text
  while (rest !== '') {
    const match = stepPattern.exec(rest)
    if (match === null) return undefined
    steps.push(stepOf(match.groups ?? {}))
    rest = rest.slice(match[0].length)
  }
  return (value) => steps.reduce<readonly unknown[]>((values, step) => step(values), [value])
}

function stepOf(groups: Readonly<Record<string, string | undefined>>): Step {
  const { name, quoted, index, all, key, text } = groups
  const member = name?.replaceAll(/\\(.)/g, '$1') ?? quoted
  if (member !== undefined) return (values) => values.flatMap((value) => membersOf(value, member))
  if (index !== undefined) {
    return (values) => itemsOf(values).flatMap((items) => itemAt(items, Number(index)))
  }
  if (all !== undefined) return (values) => itemsOf(values).flat()
  const path = parseJsonPath(`.${key ?? ''}`)
  return (values) =>
    itemsOf(values)
      .flat()
      .filter((item) => path?.(item)[0] === text)
}

function membersOf(value: unknown, name: string): readonly unknown[] {
  return isJsonObject(value) && Object.hasOwn(value, name) ? [value[name]] : []
}

function itemsOf(values: readonly unknown[]): readonly (readonly unknown[])[] {
  return values.filter((value): value is readonly unknown[] => Array.isArray(value))
}

function itemAt(items: readonly unknown[], index: number): readonly unknown[] {
  const at = index < 0 ? items.length + index : index
  return at in items ? [items[at]] : []
}
