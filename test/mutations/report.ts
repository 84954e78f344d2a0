import type { Mutation } from './mutation.ts'

/** What happened without one defence. */
export interface Outcome {
  readonly mutation: Mutation
  /** The title of a test that failed. */
  readonly failed: string | undefined
  /** Why that proves nothing. */
  readonly broken: string | undefined
}

/** The last run, as a document. */
export function formatReport(outcomes: readonly Outcome[]): string {
  const lines = outcomes.map(({ mutation, failed, broken }) => {
    const { claim, without, file } = mutation
    const noticed = failed === undefined ? `**nobody** ${broken ?? ''}` : failed
    return `- \`${claim}\`, without ${without} (\`${file}\`): ${noticed.trim()}`
  })
  return `# Each defence, taken away

Every claim in [THREATS.md](THREATS.md) is proved by a test. This is the proof of those tests: \`npm run test:mutations\` takes one
defence out of a copy of the tree, runs the tests that cite its claim, and one of them has to fail. \`-- --write\` writes this page, and
\`-- --only <text>\` takes those whose claim or file has the text.

Behind each stands the title of a test that failed.

${lines.join('\n')}
`
}
