// franz-go under measurement. It takes the arguments and writes the line of JSON that peers-kit describes.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	tunedBatchBytes  = 512 * 1024
	tunedLinger      = 10 * time.Millisecond
	tunedBufferBytes = 32 * 1024 * 1024
	// Its default of 10,000 records would hold less than one batch of small ones a partition.
	tunedBufferRecords = 10_000_000
	flushLimit         = 120 * time.Second
	// Whoever started this has looked at its memory and killed it by then.
	lookedAtLimit = 60 * time.Second
)

type order struct {
	bootstrap, topic, settings, codec, mode, payloads string
	partitions, size                                  int
	records, warmUp                                   int
}

type outcome struct {
	Failed     uint64  `json:"failed"`
	FirstError *string `json:"first_error"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
	P50Us      float64 `json:"p50_us"`
	P99Us      float64 `json:"p99_us"`
	Read       tally   `json:"read"`
}

// failures are counted by the callbacks of all records.
type failures struct {
	mutex sync.Mutex
	count uint64
	first *string
}

func main() {
	outcome, err := run()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(outcome)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	time.Sleep(lookedAtLimit)
}

func run() (*outcome, error) {
	if len(os.Args) > 1 && os.Args[1] == "consume" {
		return consume()
	}
	order, err := parse()
	if err != nil {
		return nil, err
	}
	values, err := readValues(order)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(options(order)...)
	if err != nil {
		return nil, err
	}
	failed := &failures{}
	if _, err := send(client, order, values, order.warmUp, failed); err != nil {
		return nil, err
	}
	cpuBefore, began := cpuSeconds(), time.Now()
	latencies, err := send(client, order, values, order.records, failed)
	if err != nil {
		return nil, err
	}
	seconds, cpu := time.Since(began).Seconds(), cpuSeconds()-cpuBefore
	slices.Sort(latencies)
	return &outcome{
		Failed: failed.count, FirstError: failed.first, Seconds: seconds, CPUSeconds: cpu,
		P50Us: microsAt(latencies, 500), P99Us: microsAt(latencies, 990),
	}, nil
}

func parse() (*order, error) {
	if len(os.Args) < 2 || os.Args[1] != "produce" {
		return nil, fmt.Errorf("the first argument is the task: produce or consume")
	}
	o, flags := &order{}, flag.NewFlagSet("produce", flag.ContinueOnError)
	flags.StringVar(&o.bootstrap, "bootstrap", "", "host:port of the broker")
	flags.StringVar(&o.topic, "topic", "", "the topic")
	flags.StringVar(&o.settings, "settings", "", "defaults, tuned or prompt")
	flags.StringVar(&o.codec, "codec", "", "none or lz4")
	flags.StringVar(&o.mode, "mode", "", "dropped or single")
	flags.StringVar(&o.payloads, "payloads", "", "a file of values")
	flags.IntVar(&o.partitions, "partitions", 0, "not used: the client chooses")
	flags.IntVar(&o.size, "size", 0, "bytes of a value")
	flags.IntVar(&o.records, "records", 0, "records that count")
	flags.IntVar(&o.warmUp, "warm-up", 0, "records before those")
	return o, flags.Parse(os.Args[2:])
}

func readValues(order *order) ([][]byte, error) {
	bytes, err := os.ReadFile(order.payloads)
	if err != nil {
		return nil, err
	}
	if order.size <= 0 || len(bytes) == 0 || len(bytes)%order.size != 0 {
		return nil, fmt.Errorf("%s: not made of values of %d bytes", order.payloads, order.size)
	}
	return slices.Collect(slices.Chunk(bytes, order.size)), nil
}

func options(order *order) []kgo.Opt {
	codec := kgo.NoCompression()
	if order.codec == "lz4" {
		codec = kgo.Lz4Compression()
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(order.bootstrap),
		kgo.DefaultProduceTopic(order.topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codec),
	}
	switch order.settings {
	case "prompt":
		options = append(options, kgo.ProducerLinger(0))
	case "tuned":
		options = append(options,
			kgo.ProducerLinger(tunedLinger),
			kgo.ProducerBatchMaxBytes(tunedBatchBytes),
			kgo.MaxBufferedBytes(tunedBufferBytes),
			kgo.MaxBufferedRecords(tunedBufferRecords))
	}
	return options
}

func send(client *kgo.Client, order *order, values [][]byte, count int, failed *failures) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	if order.mode == "single" {
		return single(ctx, client, values, count)
	}
	for i := range count {
		client.Produce(ctx, &kgo.Record{Value: values[i%len(values)]}, failed.add)
	}
	return nil, client.Flush(ctx)
}

func single(ctx context.Context, client *kgo.Client, values [][]byte, count int) ([]time.Duration, error) {
	latencies := make([]time.Duration, 0, count)
	for i := range count {
		began := time.Now()
		if err := client.ProduceSync(ctx, &kgo.Record{Value: values[i%len(values)]}).FirstErr(); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(began))
	}
	return latencies, nil
}

func (f *failures) add(_ *kgo.Record, err error) {
	if err == nil {
		return
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.count++
	if f.first == nil {
		text := err.Error()
		f.first = &text
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	// It fails for arguments that do not exist only.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func microsAt(latencies []time.Duration, thousandths int) float64 {
	if len(latencies) == 0 {
		return 0
	}
	return float64(latencies[len(latencies)*thousandths/1000].Nanoseconds()) / 1e3
}
