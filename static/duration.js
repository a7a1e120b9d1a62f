// Durations in the words of a clock and of a person.
import { t } from "./words.js";

/** Seconds as a countdown: `9:05`, `0:00`. */
export function countdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Seconds as people say them: `just now`, `4 min ago`, `2 h ago`. */
export function ago(seconds) {
  if (seconds < 60) return t("script.shared.just_now");
  if (seconds < 3600) return t("script.shared.minutes_ago", { count: Math.floor(seconds / 60) });
  return t("script.shared.hours_ago", { count: Math.floor(seconds / 3600) });
}
