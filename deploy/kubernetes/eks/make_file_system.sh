#!/usr/bin/env bash
# Make an EFS file system in the network of an EKS cluster, and write the StorageClass for it to the output.
# usage: make_file_system.sh CLUSTER
set -euo pipefail
cluster=${1:?the name of the cluster}

describe() { aws eks describe-cluster --name "$cluster" --query "cluster.resourcesVpcConfig.$1" --output text; }

group=$(describe clusterSecurityGroupId) # the machines' own: what is in it reaches port 2049 of what is in it
subnets=$(describe subnetIds)
file_system=$(aws efs create-file-system --creation-token "$cluster-weights" --encrypted \
  --throughput-mode elastic --query FileSystemId --output text)
until [ "$(aws efs describe-file-systems --file-system-id "$file_system" \
  --query 'FileSystems[0].LifeCycleState' --output text)" = available ]; do sleep 5; done

# one mount target for each zone
zones=""
for subnet in $subnets; do
  zone=$(aws ec2 describe-subnets --subnet-ids "$subnet" --query 'Subnets[0].AvailabilityZone' --output text)
  case " $zones " in *" $zone "*) continue ;; esac
  zones="$zones $zone"
  aws efs create-mount-target --file-system-id "$file_system" --subnet-id "$subnet" --security-groups "$group" >&2
done
sed "s/FILE_SYSTEM/$file_system/" "$(dirname "$0")/storage.yaml"
