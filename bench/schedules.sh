#!/usr/bin/env bash
# A year of 50 schedules: all shifts by `mainstay oncall`, as a whole process, less the time of a process that shows an instant.
source "$(dirname "$0")/world.sh"
out=${OUT:-bench/results/schedules.md}
runs=${RUNS:-20}
config() { # file, rotation, restrictions
    python3 - "$@" <<'P'
import sys
file, rotation, restrictions = sys.argv[1:]
names = ["ana", "bo", "cy", "dee", "eli"]
zones = ["Europe/Tallinn", "America/Chicago", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]
with open(file, "w") as text:
    text.write('[channel.ntfy]\nntfy = "https://ntfy.sh"\n')
    for name in names:
        text.write(f'[person.{name}]\ncontacts = ["ntfy:{name}"]\n')
        text.write("away = [{ from = 2027-07-01T00:00:00, to = 2027-07-15T00:00:00 }]\n" if name == "ana" else "")
    for i in range(50):
        text.write(f'[schedule.s{i}]\ntimezone = "{zones[i % 5]}"\n')
        for layer in range(2):
            text.write(f'[[schedule.s{i}.layer]]\npeople = {names[layer:]}\nstart = 2020-01-06T09:00:00\nrotation = "{rotation}"\n')
            text.write(f"restrictions = {restrictions}\n" if layer == 1 and restrictions else "")
        for day in range(1, 13):
            text.write(f'[[schedule.s{i}.override]]\nfrom = 2027-{day:02}-10T18:00:00\nto = 2027-{day:02}-11T09:00:00\nreplace = {{ ana = "bo" }}\n')
P
}
median() { # arguments of oncall -> milliseconds
    python3 - "$runs" "$mainstay" oncall --config "$folder/c.toml" --json "$@" <<'P'
import statistics, subprocess, sys, time
took = []
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, check=False)
    took.append((time.perf_counter() - began) * 1000)
print(f"{statistics.median(took):.1f}")
P
}
office='[{ days = ["mon", "tue", "wed", "thu", "fri"], from = "09:00", to = "17:00" }]'
{
    echo "# A year of 50 schedules"
    echo
    echo "$(machine). Two layers and twelve overrides each, in five timezones; median of $runs processes."
    echo
    echo "| rotation | restrictions of the second layer | shifts | year ms | instant ms | difference ms |"
    echo "|---|---|---|---|---|---|"
    for row in "1 week,none" "1 day,office hours" "8 hours,office hours" "1 hour,none"; do
        IFS=, read -r rotation hours <<<"$row"
        config "$folder/c.toml" "$rotation" "$([ "$hours" = none ] || echo "$office")"
        year=$(median --at 2027-01-01 --until 2027-12-31)
        instant=$(median --at 2027-01-01T00:00:00Z)
        shifts=$("$mainstay" oncall --config "$folder/c.toml" --json --at 2027-01-01 --until 2027-12-31 |
            python3 -c 'import json, sys; print(sum(len(all) for all in json.load(sys.stdin)["schedule"].values()))' || true)
        echo "| $rotation | $hours | $shifts | $year | $instant | $(awk -v a="$year" -v b="$instant" 'BEGIN { printf "%.1f", a - b }') |"
    done
} >"$out"
cat "$out"
