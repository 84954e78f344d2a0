import { never, type Mutation } from './mutation.ts'

const requester = 'approver.requester-proved'
const names = 'approver.names-proved'
const usages = 'approver.usages-exact'
const recorded = 'approver.recorded-first'
const bounded = 'approver.storm-bounded'
const request = 'src/approver/node-request.ts'
const account = 'src/approver/prove-requester.ts'
const prove = 'src/approver/prove.ts'
const approve = 'src/approver/approve.ts'
const judged = ['test/approver/prove.test.ts']
const held = ['test/approver/prove.others.test.ts']
const answered = ['test/approver/approve.test.ts']
const paced = ['test/approver/approve.pace.test.ts']

/** The defences of who approves certificates of nodes. */
export const approverMutations: readonly Mutation[] = [
  {
    claim: requester,
    without: 'the group of nodes',
    file: request,
    edits: [
      [
        'username.startsWith(userPrefix) && groups.includes(nodesGroup)',
        'username.startsWith(userPrefix)',
      ],
    ],
    tests: judged,
  },
  {
    claim: requester,
    without: 'the look for a second organization',
    file: request,
    edits: [['organization !== nodesGroup || second !== undefined', 'organization !== nodesGroup']],
    tests: judged,
  },
  {
    claim: requester,
    without: 'the comparison of subject and requester',
    file: request,
    edits: [['asked === nodeName', "asked !== ''"]],
    tests: judged,
  },
  {
    claim: requester,
    without: 'the list of nodes that may be new',
    file: request,
    edits: [['bootstrapped.includes(asked)', "asked !== ''"]],
    tests: judged,
  },
  {
    claim: requester,
    without: 'the look at whether a new node is there already',
    file: prove,
    edits: [
      [
        "if (node === undefined) return { kind: 'approve', proofs: [proof] }",
        "return { kind: 'approve', proofs: [proof] }",
      ],
    ],
    tests: judged,
  },
  {
    claim: requester,
    without: 'the UID of the service account',
    file: account,
    edits: never('found.uid !== uid'),
    tests: judged,
  },
  {
    claim: requester,
    without: 'the demand for a pod',
    file: account,
    edits: [['return account.ofPod ?', 'return found === undefined ?']],
    tests: judged,
  },
  {
    claim: requester,
    without: 'the UID of the pod',
    file: account,
    edits: never('pod.uid !== podUid'),
    tests: judged,
  },
  {
    claim: requester,
    without: 'the look at whether the pod is over',
    file: account,
    edits: never('pod.isOver'),
    tests: judged,
  },
  {
    claim: requester,
    without: 'the account of the pod',
    file: account,
    edits: never('pod.serviceAccountName !== account.name'),
    tests: judged,
  },
  {
    claim: names,
    without: 'the addresses of nowhere',
    file: prove,
    edits: never('isNowhere(address)'),
    tests: judged,
  },
  {
    claim: names,
    without: 'the look at mapped addresses',
    file: 'src/approver/address.ts',
    edits: [['isMapped || nowhere', 'nowhere']],
    tests: judged,
  },
  {
    claim: names,
    without: "the API server's addresses",
    file: prove,
    edits: [['if (isOfApiServer === true) {', 'if (false) {']],
    tests: judged,
  },
  {
    claim: names,
    without: 'the names that are never a node’s',
    file: prove,
    edits: never('reservedNames.test(name)'),
    tests: judged,
  },
  {
    claim: names,
    without: 'the form of a name',
    file: prove,
    edits: never('!isDnsSubdomain(name)'),
    tests: judged,
  },
  {
    claim: names,
    without: 'the other nodes',
    file: prove,
    edits: never('other !== undefined'),
    tests: judged,
  },
  {
    claim: names,
    without: 'the ranges of nodes',
    file: prove,
    edits: [['addressRanges === undefined || isWithin(addressRanges, address)', 'address']],
    tests: judged,
  },
  {
    claim: names,
    without: 'the endings of names',
    file: prove,
    edits: [['dnsSuffixes === undefined || name === nodeName', 'name']],
    tests: judged,
  },
  {
    claim: names,
    without: 'the kind of an address',
    file: prove,
    edits: [['types.includes(type) && name === wanted', 'name === wanted']],
    tests: judged,
  },
  {
    claim: names,
    without: 'what configuration gives to another node',
    file: prove,
    edits: never('owner !== nodeName'),
    tests: held,
  },
  {
    claim: names,
    without: 'the other spellings of what another node has',
    file: 'src/approver/spelling.ts',
    edits: [['text.toLowerCase().replace', 'text.replace']],
    tests: held,
  },
  {
    claim: names,
    without: 'the name of the object of another node',
    file: 'src/approver/claiming-nodes.ts',
    edits: [['[metadata.name, ...addresses', '[...addresses']],
    tests: held,
  },
  {
    claim: names,
    without: 'the nodes that cannot be read',
    file: prove,
    edits: never('unread !== undefined'),
    tests: held,
  },
  {
    claim: names,
    without: 'the look at whether it is known where the API server is',
    file: prove,
    edits: [['!isAddress || apiServer !== undefined', '!isAddress || apiServer !== null']],
    tests: held,
  },
  {
    claim: names,
    without: 'the demand for endings of names',
    file: prove,
    edits: [['rules.dnsSuffixes === undefined && spelling', 'false && spelling']],
    tests: held,
  },
  {
    claim: names,
    without: 'a denial going first',
    file: prove,
    edits: never('denial !== undefined'),
    tests: judged,
  },
  {
    claim: names,
    without: 'the names of a client certificate',
    file: prove,
    edits: never('names.dnsNames.length + names.ipAddresses.length > 0'),
    tests: judged,
  },
  {
    claim: usages,
    without: 'the look at more usages',
    file: request,
    edits: [['spec.usages.every((each) => allowed.includes(each))', 'true']],
    tests: judged,
  },
  {
    claim: usages,
    without: 'the look at the key for key encipherment',
    file: request,
    edits: [
      ["isRsa ? [...wanted, 'key encipherment'] : wanted", "[...wanted, 'key encipherment']"],
    ],
    tests: judged,
  },
  {
    claim: usages,
    without: 'the bound of a life',
    file: request,
    edits: [['asked <= expirationSecondsMax', 'asked <= Infinity']],
    tests: judged,
  },
  {
    claim: usages,
    without: 'the look for what else is asked',
    file: 'src/pki/requested-names.ts',
    edits: never('other !== undefined'),
    tests: ['test/pki/requested-names.test.ts'],
  },
  {
    claim: usages,
    without: 'the look for alternative names that come twice',
    file: 'src/pki/requested-names.ts',
    edits: [['if (second !== undefined) throw', 'if (false) throw']],
    tests: ['test/pki/requested-names.test.ts'],
  },
  {
    claim: recorded,
    without: 'the second look',
    file: approve,
    edits: never('!saysAgain(again, answer)'),
    tests: answered,
  },
  {
    claim: recorded,
    without: 'the record before the answer',
    file: approve,
    edits: [['  await ledger.append(record)\n  open.set', '  open.set']],
    tests: answered,
  },
  {
    claim: recorded,
    without: 'the memory of what was recorded',
    file: approve,
    edits: never('isSame(before, answer)'),
    tests: answered,
  },
  {
    claim: bounded,
    without: 'the certificates of an hour',
    file: approve,
    edits: never('place.seconds > 0'),
    tests: answered,
  },
  {
    claim: bounded,
    without: 'the denials of an hour',
    file: approve,
    edits: [['return denials.take(', 'return pace.take(']],
    tests: paced,
  },
  {
    claim: bounded,
    without: 'the place that is taken at once',
    file: 'src/approver/pace.ts',
    edits: [['const one = noted(key)', 'const one = { at: now() }']],
    tests: paced,
  },
  {
    claim: bounded,
    without: 'the place that is given back',
    file: 'src/approver/pace.ts',
    edits: [['(each) => each !== one', '() => true']],
    tests: paced,
  },
  {
    claim: bounded,
    without: 'the length of a name',
    file: approve,
    edits: never('name.length > nameCharactersMax'),
    tests: paced,
  },
  {
    claim: bounded,
    without: 'the order of what piled up',
    file: 'src/approver/turns.ts',
    edits: [['if (at >= madeAt) continue', 'if (at < madeAt) continue']],
    tests: ['test/approver/turns.test.ts'],
  },
  {
    claim: recorded,
    without: 'the UID of a request that is read',
    file: approve,
    edits: [['request?.metadata.uid !== uid', 'request === undefined']],
    tests: answered,
  },
  {
    claim: bounded,
    without: 'the end of what makes room while it is looked at',
    file: 'src/approver/approver.ts',
    edits: [['this.#turns.has(turnOf(request)) ||', 'true ||']],
    tests: ['test/approver/approver.test.ts'],
  },
  {
    claim: recorded,
    without: 'the look after one that failed, at what has ended',
    file: 'src/approver/approver.ts',
    edits: [
      [
        'this.#turns.has(turnOf(request)) || this.#isLeftOpen(request)',
        'this.#turns.has(turnOf(request))',
      ],
    ],
    tests: ['test/approver/approver.test.ts'],
  },
  {
    claim: bounded,
    without: 'the turns of one requester',
    file: 'src/approver/turns.ts',
    edits: [['of.worked.size <= workedMax', 'of.worked.size > 0']],
    tests: ['test/approver/turns.test.ts'],
  },
  ...(
    [
      ['the key', '!belongs(key.der, leaf)'],
      ['the subject', "leaf.subject.split('\\n').toSorted().join(',') !== subject"],
      ['the purpose', 'leaf.ca || !leaf.keyUsage?.includes(serverAuth)'],
      ['the addresses', 'leaf.checkIP(address) === undefined'],
      ['the end', 'now >= notAfter.getTime()'],
      ['the beginning', 'now < notBefore.getTime()'],
      ['the anchors', '!leadsTo(leaf, others, { anchors, now })'],
    ] as const
  ).map(([without, condition]) => ({
    claim: 'renewal.verified-before-written',
    without: `${without} of the serving certificate of a node`,
    file: 'src/pki/node-serving.ts',
    edits: never(condition),
    tests: ['test/pki/node-serving.test.ts'],
  })),
]
