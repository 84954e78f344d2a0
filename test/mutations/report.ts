import type { Mutation } from './mutation.ts'
import { mutations } from './table.ts'

/** What happened without one defence. */
export interface Outcome {
  readonly mutation: Mutation
  /** The title of a test that failed. */
  readonly failed: string | undefined
  /** Why that proves nothing. */
  readonly broken: string | undefined
}

function titleOf({ claim, without, file }: Mutation): string {
  return `- \`${claim}\`, without ${without} (\`${file}\`): `
}

/** What the page says of a defence that was not taken away this time. */
function saidBefore(page: string, title: string): string | undefined {
  return page.split('\n').find((line) => line.startsWith(title))
}

/**
 * The page of all defences, in the order of the table: what happened without each when it was last taken away. A defence of which
 * neither this run nor the page before tells is left out.
 */
export function formatReport(outcomes: readonly Outcome[], before: string): string {
  const lines = mutations.flatMap((mutation) => {
    const title = titleOf(mutation)
    const outcome = outcomes.find((each) => each.mutation === mutation)
    if (outcome === undefined) return saidBefore(before, title) ?? []
    const { failed, broken = '' } = outcome
    return title + (failed ?? `**nobody** ${broken}`).trim()
  })
  const survived = lines.filter((line) => line.includes('): **nobody**')).length
  return `# Each defence, taken away

Every claim in [THREATS.md](THREATS.md) is proved by a test. This is the proof of those tests: \`npm run test:mutations\` takes one
defence out of a copy of the tree, runs the tests that cite its claim, and one of them has to fail. \`-- --only <text>\` takes those whose
claim or file has the text, and \`-- --write\` writes what happened into this page.

Of the defences below, each taken away in its turn, the absence of ${survived === 0 ? 'none' : survived} went unnoticed. Behind each stands the title of a test that failed.

${lines.join('\n')}
`
}
