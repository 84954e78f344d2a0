import { filesUnder } from './source-tree.ts'

const citation = /\brequirement\('([^'\n]+)'\)|# requirement: (\S+)/g

/** Where each claim is cited: by the tests themselves and by the Rego tests. */
export function citations(): ReadonlyMap<string, readonly string[]> {
  const cited = new Map<string, string[]>()
  const files = [...filesUnder('test'), ...filesUnder('policies')]
  for (const { path, text } of files.filter((file) => /[._]test\.(ts|rego)$/.test(file.path))) {
    if (path === 'test/requirements.test.ts') continue
    for (const [, inTest, inRego] of text.matchAll(citation)) {
      const id = inTest ?? inRego ?? ''
      const paths = cited.get(id) ?? []
      if (!paths.includes(path)) cited.set(id, [...paths, path])
    }
  }
  return cited
}
