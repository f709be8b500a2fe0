// An MLLP receiver by node-hl7-server: one line of JSON for each message it parsed. Knows no mirror, only HL7.
//
// node-hl7-server 2.5 keeps what it has read of a connection and parses it again with the next message, so each
// connection is ended once its message is answered; a sender has to cope with that.
import { Server } from 'node-hl7-server'

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const text = (node) => (node === undefined || node === null ? '' : node.toString())
const FACTS = {
  id: ['MSH.10'],
  type: ['MSH.9.1', 'MSH.9.2', 'MSH.9.3'],
  version: ['MSH.12'],
  number: ['PID.3.1', 'PID.3.4', 'PID.3.5'],
  name: ['PID.5.1', 'PID.5.2', 'PID.5.3', 'PID.5.5'],
  born: ['PID.7'],
  town: ['PID.11.3'],
  visit: ['PV1.19.1', 'PV1.19.4'],
  place: ['PV1.3.1', 'PV1.3.2', 'PV1.3.3'],
  admitted: ['PV1.44'],
  booking: ['SCH.1.1', 'SCH.1.2'],
  starts: ['SCH.11.4'],
  ended: ['MRG.1.1', 'MRG.1.4', 'MRG.5.1'],
  document: ['TXA.12.1', 'TXA.12.2'],
}

const parsed = (message) => {
  const facts = Object.entries(FACTS).map(([name, paths]) => [name, paths.map((path) => text(message.get(path)))])
  return { ...Object.fromEntries(facts), segments: message.toArray().map((segment) => segment.name) }
}

const port = Number(process.argv[2])
const inbound = new Server({ bindAddress: '127.0.0.1' }).createInbound({ port }, async (request, response) => {
  say(parsed(request.getMessage()))
  await response.sendResponse('AA')
})
inbound.on('client.connect', (socket) => {
  socket.on('data', (chunk) => {
    if (chunk.includes('\x1c')) socket.destroySoon()
  })
})
inbound.on('data.error', (error) => say({ error: String(error) }))
inbound.on('error', (error) => say({ error: String(error) }))
inbound.on('listen', () => say({ ready: port }))
process.on('SIGTERM', () => process.exit(0))
