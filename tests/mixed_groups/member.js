// A member of kafkajs: writes each record's value on a line, then commits.
//
// Arguments: bootstrap, topic and group, strategy, client id, session timeout and heartbeat interval in ms.

const fs = require('fs')
const { Kafka, AssignerProtocol, logLevel } = require('kafkajs')

const { MemberMetadata, MemberAssignment } = AssignerProtocol
const [bootstrap, topic, strategy, clientId, session, heartbeat] = process.argv.slice(2)

// kafkajs has one assigner, "RoundRobinAssigner", which no other client knows. These two are Kafka's.
const distribute = {
  // Neighbours go to one member; the first ones have one more when it does not come out even.
  range: (partitions, members) => {
    const [each, more] = [Math.floor(partitions.length / members.length), partitions.length % members.length]
    return members.map((_, i) => {
      const start = i * each + Math.min(i, more)
      return partitions.slice(start, start + each + (i < more ? 1 : 0))
    })
  },
  // One after the other, in turn. With one topic, which is all there is here, no turn goes on into the next.
  roundrobin: (partitions, members) =>
    members.map((_, i) => partitions.filter((_, turn) => turn % members.length === i)),
}

const assigner = ({ cluster }) => ({
  name: strategy,
  version: 0,
  protocol({ topics }) {
    return { name: this.name, metadata: MemberMetadata.encode({ version: this.version, topics }) }
  },
  async assign({ members, topics }) {
    console.error('assigns')
    const byMember = new Map(members.map(({ memberId }) => [memberId, {}]))
    for (const topic of topics) {
      const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
      const subscribed = members
        .filter(({ memberMetadata }) => MemberMetadata.decode(memberMetadata).topics.includes(topic))
        .map(({ memberId }) => memberId)
        .sort()
      const shares = distribute[strategy](partitions.sort((a, b) => a - b), subscribed)
      subscribed.forEach((memberId, i) => (byMember.get(memberId)[topic] = shares[i]))
    }
    return [...byMember].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({ version: this.version, assignment }),
    }))
  },
})

const writeAll = (bytes) => {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(1, bytes, done)
}

const kafka = new Kafka({
  clientId,
  brokers: [bootstrap],
  logLevel: logLevel.INFO,
  // Its own logger writes to stdout, too, where the records go.
  logCreator: () => ({ log, label, namespace }) => console.error(label, namespace, JSON.stringify(log)),
})
const consumer = kafka.consumer({
  groupId: topic,
  partitionAssigners: [assigner],
  sessionTimeout: Number(session),
  heartbeatInterval: Number(heartbeat),
  // It says that it lives between two fetches, and a fetch waits for 5 s otherwise.
  maxWaitTimeInMs: 200,
})

const run = async () => {
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    // What it commits after this is what this has resolved.
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset }) => {
      writeAll(Buffer.from(batch.messages.map(({ value }) => `${value}\n`).join('')))
      resolveOffset(batch.messages[batch.messages.length - 1].offset)
    },
  })
}

consumer.on(consumer.events.CRASH, ({ payload }) => {
  if (!payload.restart) process.exit(1)
})
process.once('SIGTERM', () => consumer.disconnect().then(() => process.exit(0)))
run().catch((error) => {
  console.error(error)
  process.exit(1)
})
