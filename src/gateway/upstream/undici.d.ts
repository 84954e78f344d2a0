// Only these two files are imported, because the front page of the package also loads its fetch, its WebSockets and its cache:
// 5 MB of memory and half of the time that the package takes to load. Their types are those of the front page.

declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici'
  export default Pool
}

declare module 'undici/lib/core/connect.js' {
  import { buildConnector } from 'undici'
  export default buildConnector
}
