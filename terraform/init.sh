#!/usr/bin/env bash
# Makes the place in Azure where Terraform keeps its state, and tells Terraform of it and of you.
#
# What this does it can do again: what is there already stays, and a run that was cut off is
# completed by the next one. It also readies another computer for the same backups.
set -euo pipefail

readonly WAIT_S=5 TRIES=60 # a new role is known everywhere within five minutes
readonly KEEP_DAYS=30      # for which an overwritten or deleted state can be brought back

doing="" # what is told when a command of Azure or Terraform fails

usage() {
    cat << 'END'
./init.sh RESOURCE-GROUP LOCATION STORAGE-ACCOUNT
terraform apply

  RESOURCE-GROUP   a name for the group that 'terraform apply' makes, such as home-energy
  LOCATION         an Azure region, such as westeurope
  STORAGE-ACCOUNT  a name, unique in all of Azure, of 3 to 19 lower case letters or digits

Makes the group RESOURCE-GROUP-state with the storage account STORAGE-ACCOUNTstate, where Terraform
keeps what it has made (and the credential: only you can read it), and runs 'terraform init'.
Needs the Azure CLI, signed in by 'az login', and Terraform. Run it again at any time.
END
}

stop() {
    printf '%s\n' "$@" >&2
    doing=""
    exit 1
}

tell_end() {
    [ -z "$doing" ] ||
        echo "Stopped while $doing; the reason is above. Run the same command again." >&2
}

check_words() {
    [ $# -eq 3 ] || stop "Three words are needed, not $#: ./init.sh RESOURCE-GROUP LOCATION STORAGE-ACCOUNT" \
        "See ./init.sh --help"
    [[ $1 =~ ^[-A-Za-z0-9_.()]{0,83}[-A-Za-z0-9_\(\)]$ ]] ||
        stop "'$1' cannot name a resource group: it takes 1 to 84 letters, digits or - _ . ( )" \
            "and does not end with a full stop. An example: home-energy"
    [[ $2 =~ ^[a-z0-9]+$ ]] ||
        stop "'$2' is not the short name of an Azure region, such as westeurope." \
            "See: az account list-locations --output table"
    [[ $3 =~ ^[a-z0-9]{3,19}$ ]] ||
        stop "'$3' cannot name a storage account: it takes 3 to 19 lower case letters or digits." \
            "An example: smithhomeenergy"
}

check_programs() {
    command -v az > /dev/null ||
        stop "The Azure CLI (az) is missing. Install it: https://aka.ms/installazurecli"
    command -v terraform > /dev/null ||
        stop "Terraform is missing. Install it: https://developer.hashicorp.com/terraform/install"
}

check_location() {
    local known
    known=$(az account list-locations --query "[?name=='$1'].name" --output tsv)
    [ "$known" = "$1" ] || stop "Azure has no region '$1' for this subscription." \
        "See: az account list-locations --output table"
}

# check_account NAME GROUP: it is free, or it is ours already.
check_account() {
    local free
    free=$(az storage account check-name --name "$1" --query nameAvailable --output tsv)
    [ "$free" = true ] ||
        az storage account show --name "$1" --resource-group "$2" --output none 2> /dev/null ||
        stop "The storage account name '$1' is taken by somebody else. Choose another."
}

make_state_account() { # GROUP LOCATION ACCOUNT
    az group create --name "$1" --location "$2" --output none
    az storage account create --name "$3" --resource-group "$1" --location "$2" \
        --sku Standard_LRS --kind StorageV2 --min-tls-version TLS1_2 --https-only true \
        --allow-blob-public-access false --allow-shared-key-access false --output none
    az storage account blob-service-properties update --account-name "$3" --resource-group "$1" \
        --enable-versioning true \
        --enable-delete-retention true --delete-retention-days "$KEEP_DAYS" \
        --enable-container-delete-retention true --container-delete-retention-days "$KEEP_DAYS" \
        --output none
    az storage container-rm create --name tfstate --storage-account "$3" --resource-group "$1" \
        --output none
}

let_me_in() { # GROUP ACCOUNT
    local me account try
    me=$(az ad signed-in-user show --query id --output tsv)
    account=$(az storage account show --name "$2" --resource-group "$1" --query id --output tsv)
    az role assignment create --assignee-object-id "$me" --assignee-principal-type User \
        --role "Storage Blob Data Contributor" --scope "$account" --output none
    for ((try = 1; try <= TRIES; try++)); do
        az storage blob list --account-name "$2" --container-name tfstate --auth-mode login \
            --num-results 1 --output none 2> /dev/null && return
        sleep "$WAIT_S"
    done
    stop "Azure still refuses you the storage account $2 after $((WAIT_S * TRIES / 60)) minutes." \
        "Run the same command again; a new role sometimes takes longer."
}

write_files() { # GROUP LOCATION ACCOUNT SUBSCRIPTION USER
    cat > state.azurerm.tfbackend << END
subscription_id      = "$4"
resource_group_name  = "$1-state"
storage_account_name = "$3state"
container_name       = "tfstate"
key                  = "energy-monitor.tfstate"
use_azuread_auth     = true
END
    cat > terraform.tfvars << END
# Written by init.sh. What you choose yourself goes into own.auto.tfvars, which it never touches.
subscription_id      = "$4"
resource_group_name  = "$1"
location             = "$2"
storage_account_name = "$3"
END
    case $5 in
        *@*.*) echo "alert_email          = \"$5\"" >> terraform.tfvars ;;
    esac
}

main() {
    case ${1-} in
        -h | --help) usage && exit ;;
        -*) stop "There is no option $1." "See ./init.sh --help" ;;
    esac
    check_words "$@"
    check_programs

    local group=$1 location=$2 account=$3 signed_in subscription user
    signed_in=$(az account show --query '[id, user.name]' --output tsv 2> /dev/null) ||
        stop "You are not signed in to Azure. Run: az login"
    { read -r subscription && read -r user; } <<< "$signed_in"

    doing="looking whether the names are free"
    trap tell_end EXIT
    check_location "$location"
    az provider register --namespace Microsoft.Storage --wait --output none
    check_account "$account" "$group"
    check_account "${account}state" "$group-state"

    doing="making the storage account ${account}state"
    echo "Making ${account}state, where Terraform keeps its state …"
    make_state_account "$group-state" "$location" "${account}state"

    doing="giving $user access to ${account}state"
    echo "Waiting until $user may read and write it …"
    let_me_in "$group-state" "${account}state"

    doing="running terraform init"
    cd "$(dirname "${BASH_SOURCE[0]}")"
    write_files "$group" "$location" "$account" "$subscription" "$user"
    terraform init -input=false -backend-config=state.azurerm.tfbackend
    doing=""
    echo "Next: terraform apply"
}

main "$@"
