/** What METADATA says of a rule or of a package. */
export interface Documented {
  readonly title?: string | undefined
  readonly description?: string | undefined
  readonly entrypoint?: boolean
  /** What the author says beside what OPA knows: `code`, `severity`, `audience` and others. */
  readonly custom?: Readonly<Record<string, unknown>>
}

/** One rule, or one body of it where METADATA speaks of bodies alone. */
export interface RuleDoc extends Documented {
  readonly name: string
  readonly file: string
  readonly row?: number
}

export interface PackageDoc extends Documented {
  /** With dots, as Rego writes it. */
  readonly name: string
  readonly rules: readonly RuleDoc[]
}

/** Where METADATA stands. */
export interface Annotation extends Documented {
  readonly scope: string
  readonly packagePath: readonly string[]
  /** Of a rule, its name and what follows. */
  readonly ref: readonly string[]
  readonly file: string
  readonly row: number
}

/** A rule that is there, with METADATA or without. */
export interface RuleName {
  readonly packagePath: readonly string[]
  readonly ref: readonly string[]
  readonly file: string
}

/** Puts together what is there and what is said of it: packages and rules by name, the METADATA of a document before that of its bodies. */
export function documentRules(
  rules: readonly RuleName[],
  annotations: readonly Annotation[],
): readonly PackageDoc[] {
  const names = [...new Set(rules.map(({ packagePath }) => packagePath.join('.')))].toSorted()
  return names.map((name) => {
    const own = rules.filter(({ packagePath }) => packagePath.join('.') === name)
    const said = annotations.filter(({ packagePath }) => packagePath.join('.') === name)
    const whole = said.find(({ scope }) => scope === 'package')
    return { name, ...documentedBy(whole), rules: rulesOf(own, said) }
  })
}

function rulesOf(
  rules: readonly RuleName[],
  annotations: readonly Annotation[],
): readonly RuleDoc[] {
  const byName = new Map<string, RuleName>()
  for (const rule of rules) {
    const [name = ''] = rule.ref
    if (!byName.has(name)) byName.set(name, rule)
  }
  return [...byName]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { file }]) => {
      const said = annotations.filter(({ ref, scope }) => scope !== 'package' && ref[0] === name)
      const whole = said.find(({ scope }) => scope === 'document')
      if (said.length === 0) return [{ name, file }]
      // Without a word about the whole, what is said of each body counts: `deny` of several files is several rules to their authors.
      return (whole === undefined ? said : [whole]).map((each) => ({
        name,
        file: each.file,
        row: each.row,
        ...documentedBy(each),
      }))
    })
}

function documentedBy(annotation: Annotation | undefined): Documented {
  const { title, description, entrypoint, custom } = annotation ?? {}
  return {
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...(entrypoint === true ? { entrypoint } : {}),
    ...(custom === undefined ? {} : { custom }),
  }
}

/** Rules of which nothing is said: no title, or no description. */
export function undocumentedIn(packages: readonly PackageDoc[]): readonly string[] {
  return packages.flatMap(({ name, rules }) =>
    rules
      .filter(({ title, description }) => title === undefined || description === undefined)
      .map((rule) => `${name}.${rule.name}`),
  )
}

/** The same for people: a chapter for each package, with its rules in the order of their names. */
export function formatRuleDocs(packages: readonly PackageDoc[]): string {
  const chapters = packages.map(({ name, rules, ...own }) =>
    [`## ${name}`, ...wordsOf(own), ...rules.flatMap(formatRule)].join('\n\n'),
  )
  return `${['# Rules', ...chapters].join('\n\n')}\n`
}

function formatRule({ name, file, ...own }: RuleDoc): readonly string[] {
  const kind = own.entrypoint === true ? ', an entrypoint' : ''
  return [`### ${name}`, `\`${file}\`${kind}`, ...wordsOf(own), ...formatCustom(own.custom)]
}

function wordsOf({ title, description }: Documented): readonly string[] {
  const heading = title === undefined ? '' : `**${line(title)}.** `
  const words = `${heading}${line(description ?? '')}`.trim()
  return words === '' ? [] : [words]
}

function line(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ')
}

function formatCustom(custom: Documented['custom'] = {}): readonly string[] {
  const items = Object.entries(custom).map(([name, value]) => `- ${name}: ${formatValue(value)}`)
  return items.length === 0 ? [] : [items.join('\n')]
}

function formatValue(value: unknown): string {
  if (Array.isArray(value)) return value.map(formatValue).join(', ')
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([name, inner]) => `${name} (${formatValue(inner)})`)
      .join(', ')
  }
  return typeof value === 'string' ? line(value) : JSON.stringify(value)
}
