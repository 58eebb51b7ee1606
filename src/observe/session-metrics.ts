import { Counter, Gauge, type Registry } from 'prom-client';
import { SESSION_ENDS, type SessionMeter } from './session-meter.js';

/** Registers them; label values come from a closed union. */
export function sessionMetrics(registry: Registry, meter: SessionMeter): void {
  const registers = [registry];
  const active = new Gauge({
    name: 'carelink_sessions_active',
    help: 'Sessions that are refreshed here, estimated from the refreshes of the last access lifetime (1 min to 1 h).',
    registers,
    collect() {
      const count = meter.active();
      if (count === undefined) active.remove();
      else active.set(count);
    },
  });
  active.remove();
  const held = new Counter({
    name: 'carelink_session_seconds_total',
    help: 'How long refreshed sessions had held their tokens, an access lifetime each at most: its rate is the number of active sessions.',
    registers,
    collect() {
      held.reset();
      held.inc(meter.heldSecondsTotal);
    },
  });
  const ended = new Counter({
    name: 'carelink_sessions_ended_total',
    help: 'Sessions of which this server learnt that they have ended, by cause; one that comes again counts once.',
    labelNames: ['cause'],
    registers,
    collect() {
      ended.reset();
      for (const cause of SESSION_ENDS) ended.inc({ cause }, meter.ended(cause));
    },
  });
}
