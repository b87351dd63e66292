package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	tunedPartitionBytes = 8 * 1024 * 1024
	tunedFetchBytes     = 64 * 1024 * 1024
	readLimit           = 60 * time.Second
)

type reading struct {
	bootstrap, topic, settings, pace, group string
	partitions                              int
	records, warmUp                         uint64
}

// tally is the one of peers-kit.
type tally struct {
	Count uint64 `json:"count"`
	Bytes uint64 `json:"bytes"`
	Sum   uint64 `json:"sum"`
}

func (t *tally) add(value []byte) {
	t.Count++
	t.Bytes += uint64(len(value))
	if len(value) >= 8 {
		first, last := binary.LittleEndian.Uint64(value), binary.LittleEndian.Uint64(value[len(value)-8:])
		t.Sum += first ^ bits.RotateLeft64(last, 32)
	}
}

// reader takes the records, as the one of peers-kit.
type reader struct {
	reading   *reading
	stop, end uint64
	tally     tally
	began     time.Time
	cpuBefore float64
	latencies []time.Duration
	outcome   *outcome
}

func consume() (*outcome, error) {
	reading, err := parseReading()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(readingOptions(reading)...)
	if err != nil {
		return nil, err
	}
	r := &reader{reading: reading, stop: reading.warmUp, end: reading.warmUp + reading.records}
	if reading.pace == "single" {
		r.stop = 1
	}
	for r.outcome == nil {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		fetches := client.PollFetches(ctx)
		cancel()
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(record *kgo.Record) { r.take(record.Value) })
	}
	return r.outcome, nil
}

func (r *reader) take(value []byte) {
	r.tally.add(value)
	if r.tally.Count == r.stop {
		r.pass(value)
	}
}

func (r *reader) pass(value []byte) {
	count, isSingle := r.tally.Count, r.reading.pace == "single"
	if isSingle && count > r.reading.warmUp {
		sent := int64(binary.LittleEndian.Uint64(value))
		r.latencies = append(r.latencies, time.Duration(time.Now().UnixNano()-sent))
	}
	if count == r.reading.warmUp {
		r.cpuBefore, r.began = cpuSeconds(), time.Now()
	}
	if count == r.end {
		seconds, cpu := time.Since(r.began).Seconds(), cpuSeconds()-r.cpuBefore
		slices.Sort(r.latencies)
		r.outcome = &outcome{
			Seconds: seconds, CPUSeconds: cpu, Read: r.tally,
			P50Us: microsAt(r.latencies, 500), P99Us: microsAt(r.latencies, 990),
		}
	}
	r.stop = r.end
	if isSingle {
		r.stop = count + 1
		fmt.Printf("received %d\n", count)
	}
}

func parseReading() (*reading, error) {
	r, flags := &reading{}, flag.NewFlagSet("consume", flag.ContinueOnError)
	flags.StringVar(&r.bootstrap, "bootstrap", "", "host:port of the broker")
	flags.StringVar(&r.topic, "topic", "", "the topic")
	flags.StringVar(&r.settings, "settings", "", "defaults or tuned")
	flags.StringVar(&r.pace, "pace", "", "load or single")
	flags.StringVar(&r.group, "group", "", "the group; none: partitions are assigned")
	flags.IntVar(&r.partitions, "partitions", 0, "how many the topic has")
	flags.Uint64Var(&r.records, "records", 0, "records that count")
	flags.Uint64Var(&r.warmUp, "warm-up", 0, "records before those")
	return r, flags.Parse(os.Args[2:])
}

func readingOptions(reading *reading) []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(reading.bootstrap),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if reading.group != "" {
		options = append(options, kgo.ConsumerGroup(reading.group), kgo.ConsumeTopics(reading.topic))
	} else {
		partitions := make(map[int32]kgo.Offset)
		for partition := range reading.partitions {
			partitions[int32(partition)] = kgo.NewOffset().AtStart()
		}
		options = append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{reading.topic: partitions}))
	}
	if reading.settings == "tuned" {
		options = append(options, kgo.FetchMaxPartitionBytes(tunedPartitionBytes), kgo.FetchMaxBytes(tunedFetchBytes))
	}
	return options
}
